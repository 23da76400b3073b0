//! The admin page: from view structs to markup.
//!
//! One view a question an owner has, each a page of its own inside one [`Frame`]. Every page
//! is complete without a script; the parts that change by themselves are [`Fragment`]s, which
//! the script swaps as they arrive, and charts, whose numbers it draws. It never queries and
//! never decides: what it shows was gathered by `http`.

mod access;
mod audit;
mod cardinality;
mod chart;
pub mod cv;
mod door;
mod explore;
mod format;
mod frame;
mod grafana;
mod lang;
mod links;
mod logs;
mod overview;
mod panels;
mod promql_help;
pub mod releases;
mod sections;
mod settings;
mod status;
mod store;
mod store_facts;
mod traces;
mod uptime;
mod verdict;
mod visitors;
mod window;
mod workers;

pub use access::{AccessView, MadeTokenView, SecondFactorView, SessionView, TokenView, access};
pub use audit::{AuditLine, AuditView, audit};
pub use cardinality::{CardinalityView, CountView, CountedView, LabelCountView, cardinality};
pub use chart::{Drawn, Mark, MarkKind, shapes};
pub use door::{LoginView, login, lost_draft, message};
pub use explore::{
    AnswerValue, AnsweredView, EXAMPLES, Example, ExploreView, Explored, LINES_MAX, LinesView, QueryFault,
    ROWS_MAX, RowView, RowsView, SamplesView, answer_drawn, answer_fragments, explore, metrics_address,
};
pub use format::Unit;
pub use frame::{Assets, Fragment, Frame, Notice, Tab};
pub use grafana::{GrafanaView, grafana};
pub use lang::{Lang, meaning};
pub use links::{LinkView, LinksView, links};
pub use logs::{
    AROUND_MAX, AroundView, FIELDS_MAX, FaultView, FieldFilter, FieldOp, Histogram, KnownLabels, LEVELS,
    LOGQL_MAX_BYTES, LineCounts, LineView, LogFilter, LogsView, Place, TEXT_MAX_BYTES, around,
    histogram as lines_histogram, is_field_name, logs,
};
pub use overview::{
    MachineNow, MachineView, OverviewView, PeopleNow, Totals, TrafficView, drawn, fragments, overview,
};
pub use promql_help::promql_help;
pub use settings::{LogLevelView, SettingView, SettingsView, SourceView, settings};
pub use status::{ExportView, ProblemView, ReloadView, StatusView, StoreView, WorkerState, WorkerView};
pub use store::{
    ArrivalView, LossView, Outlook, SlowDoor, SlowView, StoreChart, StoreChartKind, StorePageView,
    lines_address, store, store_drawn, store_fragments,
};
pub use store_facts::{
    AsideFacts, ExportFacts, FlushFacts, HistoryKind, KindFacts, LaneFacts, PartitionFacts, RingFacts,
    RingKind, StoreFacts,
};
pub use traces::{
    SpanEventView, SpanView, TraceFilter, TraceOrder, TraceRow, TraceView, TracesView, traces, waterfall,
};
pub use uptime::{Day, Outage, UptimeView, uptime};
pub use visitors::{
    ByLink, Count, Days, Latest, OtherTag, Period, Row, Tables, TaggedView, VisitorsView, noon, visitors,
    visitors_fragments,
};
pub use window::{Range, Window, address};
pub use workers::{WorkersHistory, WorkersView, workers, workers_drawn, workers_fragments};

#[cfg(test)]
mod tests;
