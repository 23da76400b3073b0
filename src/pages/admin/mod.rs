//! The admin page: from view structs to markup.
//!
//! One view a question an owner has, each a page of its own inside one [`Frame`]. Every page
//! is complete without a script; the parts that change by themselves are [`Fragment`]s, which
//! the script swaps as they arrive, and charts, whose numbers it draws. It never queries and
//! never decides: what it shows was gathered by `http`.

mod access;
mod chart;
pub mod cv;
mod door;
mod format;
mod frame;
mod grafana;
mod lang;
mod links;
mod logs;
mod overview;
mod panels;
pub mod releases;
mod settings;
mod status;
mod traces;
mod uptime;
mod verdict;
mod visitors;
mod window;
mod workers;

pub use access::{AccessView, MadeTokenView, SecondFactorView, SessionView, TokenView, access};
pub use chart::{Mark, MarkKind};
pub use door::{LoginView, login, message};
pub use frame::{Assets, Frame, Notice, Tab};
pub use grafana::{GrafanaView, grafana};
pub use lang::{Lang, meaning};
pub use links::{LinkView, LinksView, links};
pub use logs::{
    AROUND_MAX, AroundView, FIELDS_MAX, FaultView, FieldFilter, FieldOp, Histogram, KnownLabels, LEVELS,
    LOGQL_MAX_BYTES, LineCounts, LineView, LogFilter, LogsView, Place, TEXT_MAX_BYTES, around,
    histogram as lines_histogram, is_field_name, logs,
};
pub use overview::{
    Fragment, MachineNow, MachineView, OverviewView, PeopleNow, Totals, TrafficView, chart_data, fragments,
    overview,
};
pub use settings::{
    AuditLine, AuditView, LogLevelView, SettingView, SettingsView, SourceView, audit, settings,
};
pub use status::{ExportView, ProblemView, ReloadView, StatusView, StoreView, WorkerState, WorkerView};
pub use traces::{
    SpanEventView, SpanView, TraceFilter, TraceOrder, TraceRow, TraceView, TracesView, traces, waterfall,
};
pub use uptime::{Day, Outage, UptimeView, uptime};
pub use visitors::{
    ByLink, Count, Days, Latest, OtherTag, Period, Row, Tables, TaggedView, VisitorsView, noon, visitors,
};
pub use window::{Range, Window, address};
pub use workers::{WorkersHistory, WorkersView, workers, workers_chart_data, workers_fragments};

#[cfg(test)]
mod tests;
