//! What can be written at a place of a query that is not finished.
//!
//! The words up to the cursor are read as the parser reads them, one half-written word at the
//! end left aside, and from the brackets around it and the word before it follows what may
//! come. A text that the lexer refuses before the cursor gets no offer: there the fault has
//! to be mended first. It refuses to know which metrics and labels there are.

use super::ast::{BinaryOp, Span};
use super::lex::{Kind, Lexer, Token, Word, unquoted};
use super::parse::QUERY_LEN_MAX;
use crate::record::labels::METRIC_NAME;
use crate::record::read::{MatchOp, Matcher};

/// Selectors whose labels are offered in one place; a query with more of them is offered those
/// of the first.
const SELECTORS_MAX: usize = 8;

/// A place in a query, and what may stand there.
#[derive(Clone, Debug)]
pub struct Cursor {
    /// What was begun.
    pub prefix: String,
    /// The part of the query that an offer takes the place of, in bytes.
    pub replaced: Span,
    /// What may be written.
    pub offers: Vec<Offer>,
}

/// What may be written at a place.
#[derive(Clone, Debug)]
pub enum Offer {
    /// The beginning of an expression: a metric, a function, an aggregation.
    Operand,
    /// A word that means something here.
    Word(&'static str),
    /// A duration; with a bracket behind it when it is a range that is not closed.
    Duration {
        /// The bracket that would close it is missing.
        closes: bool,
    },
    /// The name of a label of the series that a selector means, in its braces.
    LabelName(Vec<Matcher>),
    /// A value of a label.
    LabelValue {
        /// The conditions that stand in the selector already.
        matchers: Vec<Matcher>,
        /// The label.
        label: String,
        /// The quote that the text begins with, if it has begun.
        quote: Option<char>,
    },
    /// The name of a label of the series that some selectors mean, in a list of names.
    Grouping(Vec<Vec<Matcher>>),
}

/// Returns what may be written at a place of a query, in bytes.
pub fn cursor(query: &str, at: usize) -> Cursor {
    let at = query.floor_char_boundary(at);
    let nothing = Cursor { prefix: String::new(), replaced: at..at, offers: Vec::new() };
    if query.len() > QUERY_LEN_MAX {
        return nothing;
    }
    let before = &query[..at];
    let (mut tokens, fault) = words(before);
    if let Some(start) = fault {
        // A text that has begun and does not end before the cursor; any other fault is in the way.
        let quote = before[start..].chars().next().filter(|first| matches!(first, '"' | '\'' | '`'));
        return quote.map_or(nothing, |quote| in_text(query, at, &tokens, (start, quote)));
    }
    let behind = tokens.last().map_or(0, |token| token.span.end);
    // Behind a comment there is nothing to offer.
    if before[behind..].contains('#') {
        return nothing;
    }
    let partial = tokens.pop_if(|token| token.span.end == at && is_begun(token.kind, token.text(before)));
    let replaced = match &partial {
        Some(token) => token.span.start..at + rest_of_word(&query[at..]),
        None => at..at,
    };
    let prefix = partial.map_or_else(String::new, |token| token.text(before).to_string());
    let mut offers = Walk::over(&tokens, query).offers(query, at);
    // A number has begun: no name begins so, and only in the place of a duration a unit follows.
    if prefix.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        offers.retain(|offer| matches!(offer, Offer::Duration { .. }));
    }
    Cursor { prefix, replaced, offers }
}

/// Reads words until the end or a fault; returns where the word at fault begins. Brackets that
/// are not closed are none here.
fn words(text: &str) -> (Vec<Token>, Option<usize>) {
    let (mut lexer, mut res) = (Lexer::new(text), Vec::new());
    loop {
        match lexer.next_token() {
            Ok(token) if token.kind == Kind::End => return (res, None),
            Ok(token) => res.push(token),
            Err(fault) => {
                let start = fault.span.start.min(text.len());
                return (res, (!text[start..].is_empty()).then_some(start));
            }
        }
    }
}

/// Returns true for a word that may go on where it ends.
fn is_begun(kind: Kind, text: &str) -> bool {
    match kind {
        Kind::Identifier
        | Kind::MetricIdentifier
        | Kind::Aggregate(_)
        | Kind::Word(_)
        | Kind::Number
        | Kind::Duration => true,
        Kind::Op(_) => text.starts_with(|first: char| first.is_ascii_alphabetic()),
        _ => false,
    }
}

fn rest_of_word(rest: &str) -> usize {
    rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':').unwrap_or(rest.len())
}

/// Inside a text: only the values of labels are known.
fn in_text(query: &str, at: usize, tokens: &[Token], (start, quote): (usize, char)) -> Cursor {
    let walk = Walk::over(tokens, query);
    let mut offers = Vec::new();
    if let Some(Frame::Braces(braces)) = walk.frames.last()
        && let Some(label) = braces.awaits_value()
    {
        offers.push(Offer::LabelValue { matchers: braces.matchers(), label, quote: Some(quote) });
    }
    let prefix = unquoted(&format!("{}{quote}", &query[start..at]));
    // The rest of the value, if what follows up to the closing quote looks like one.
    let rest = &query[at..];
    let len = rest.find(['"', '\'', '`', ',', '{', '}', '=', '\n']).unwrap_or(rest.len());
    let end = if rest[len..].starts_with(quote) { at + len + quote.len_utf8() } else { at };
    Cursor { prefix, replaced: start..end, offers }
}

/// The brackets around a place.
enum Frame {
    Paren(Role),
    Braces(Braces),
    Range,
}

/// What a pair of parentheses is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Around an expression, or the arguments of a function.
    Expression,
    /// The arguments of an aggregation.
    Aggregated,
    /// The labels of an aggregation; before its arguments or behind them.
    Grouped { is_before: bool },
    /// The labels by which series meet.
    Matched,
    /// The labels that are taken over from the other side.
    Taken,
}

/// What was written of a selector.
#[derive(Default)]
struct Braces {
    metric: Option<String>,
    whole: Vec<Matcher>,
    /// The words since the last comma.
    item: Vec<(Kind, String)>,
}

impl Braces {
    fn matchers(&self) -> Vec<Matcher> {
        let name = self.metric.iter().map(|name| Matcher::equal(METRIC_NAME, name.as_str()));
        name.chain(self.whole.iter().cloned()).collect()
    }

    fn end_item(&mut self) {
        if let [(_, name), (op, _), (Kind::Text, value)] = &self.item[..] {
            let (name, value) = (label_of(name), unquoted(value));
            let op = match op {
                Kind::Assign => Some(MatchOp::Equal(value)),
                Kind::Op(BinaryOp::NotEqual) => Some(MatchOp::NotEqual(value)),
                // A pattern that is none narrows nothing.
                Kind::AssignRegex => Matcher::matches("", &value).ok().map(|matcher| matcher.op),
                Kind::NotRegex => Matcher::matches("", &value).ok().and_then(|matcher| match matcher.op {
                    MatchOp::Matches(pattern) => Some(MatchOp::MatchesNot(pattern)),
                    _ => None,
                }),
                _ => None,
            };
            self.whole.extend(op.map(|op| Matcher { name, op }));
        }
        self.item.clear();
    }

    /// Returns the label whose value comes next.
    fn awaits_value(&self) -> Option<String> {
        match &self.item[..] {
            [(_, name), (Kind::Assign | Kind::AssignRegex | Kind::NotRegex | Kind::Op(_), _)] => {
                Some(label_of(name))
            }
            _ => None,
        }
    }
}

/// A name may stand in quotes.
fn label_of(text: &str) -> String {
    if text.starts_with(['"', '\'', '`']) { unquoted(text) } else { text.to_string() }
}

/// What was read last, outside of braces and of ranges.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    /// Nothing, an opening parenthesis or a comma.
    Begin,
    /// A metric's name, or a selector, or a range: what can be moved in time.
    Selector,
    /// What is complete and cannot.
    Operand,
    /// An aggregation's name.
    Aggregate,
    /// The labels before an aggregation's arguments.
    Grouped,
    /// An aggregation's arguments.
    Aggregated,
    /// An operator between two expressions, and whether it compares.
    Operator(bool),
    /// The labels by which series meet.
    Matched,
    /// A word that labels follow.
    GroupWord(Role),
    Offset,
    At,
}

/// A walk over words, which knows what is open at their end.
struct Walk {
    frames: Vec<Frame>,
    last: Last,
    tokens: Vec<Token>,
}

impl Walk {
    fn over(tokens: &[Token], query: &str) -> Walk {
        let mut res = Walk { frames: Vec::new(), last: Last::Begin, tokens: tokens.to_vec() };
        for (idx, token) in tokens.iter().enumerate() {
            let name = idx.checked_sub(1).map(|idx| &tokens[idx]);
            res.step(token, name, query);
        }
        res
    }

    fn step(&mut self, token: &Token, before: Option<&Token>, query: &str) {
        if let Some(Frame::Braces(braces)) = self.frames.last_mut() {
            match token.kind {
                Kind::Comma => braces.end_item(),
                Kind::RightBrace => {
                    self.frames.pop();
                    self.last = Last::Selector;
                }
                kind => braces.item.push((kind, token.text(query).to_string())),
            }
            return;
        }
        match (token.kind, self.frames.last()) {
            (Kind::RightBracket, Some(Frame::Range)) => {
                self.frames.pop();
                self.last = Last::Selector;
            }
            (_, Some(Frame::Range)) => {}
            // Any word is a name there.
            (kind, Some(Frame::Paren(Role::Grouped { .. } | Role::Matched | Role::Taken)))
                if kind != Kind::RightParen => {}
            (kind, _) => self.step_in_expression(kind, before, query),
        }
    }

    fn step_in_expression(&mut self, kind: Kind, before: Option<&Token>, query: &str) {
        self.last = match kind {
            Kind::LeftBrace => {
                let name = before.filter(|_| self.last == Last::Selector).map(|name| name.text(query).into());
                self.frames.push(Frame::Braces(Braces { metric: name, ..Braces::default() }));
                Last::Begin
            }
            Kind::LeftBracket => {
                self.frames.push(Frame::Range);
                Last::Begin
            }
            Kind::LeftParen => {
                let role = match self.last {
                    Last::GroupWord(role) => role,
                    Last::Aggregate | Last::Grouped => Role::Aggregated,
                    _ => Role::Expression,
                };
                self.frames.push(Frame::Paren(role));
                Last::Begin
            }
            Kind::RightParen => match self.frames.pop() {
                Some(Frame::Paren(Role::Aggregated)) => Last::Aggregated,
                Some(Frame::Paren(Role::Grouped { is_before: true })) => Last::Grouped,
                Some(Frame::Paren(Role::Matched)) => Last::Matched,
                Some(Frame::Paren(Role::Taken)) => Last::Operator(false),
                _ => Last::Operand,
            },
            Kind::Comma | Kind::Colon => Last::Begin,
            Kind::Identifier | Kind::MetricIdentifier => Last::Selector,
            Kind::Aggregate(_) => Last::Aggregate,
            Kind::Number | Kind::Duration | Kind::Text => Last::Operand,
            Kind::At => Last::At,
            Kind::Op(op) => Last::Operator(op.is_comparison()),
            Kind::Word(word) => self.after(word),
            _ => Last::Operand,
        };
    }

    fn after(&self, word: Word) -> Last {
        match word {
            Word::By | Word::Without => {
                Last::GroupWord(Role::Grouped { is_before: self.last == Last::Aggregate })
            }
            Word::On | Word::Ignoring => Last::GroupWord(Role::Matched),
            Word::GroupLeft | Word::GroupRight => Last::GroupWord(Role::Taken),
            Word::Offset => Last::Offset,
            Word::Bool => Last::Operator(false),
            _ => Last::Selector,
        }
    }

    fn offers(&self, query: &str, at: usize) -> Vec<Offer> {
        match self.frames.last() {
            Some(Frame::Range) => {
                let closes = !query[at..]
                    .trim_start_matches(|c: char| c.is_ascii_alphanumeric())
                    .starts_with([']', ':']);
                vec![Offer::Duration { closes }]
            }
            Some(Frame::Braces(braces)) => in_braces(braces),
            Some(Frame::Paren(role @ (Role::Grouped { .. } | Role::Matched | Role::Taken))) => {
                vec![Offer::Grouping(self.grouped(*role, query, at))]
            }
            Some(Frame::Paren(_)) | None => self.in_expression(),
        }
    }

    fn in_expression(&self) -> Vec<Offer> {
        let words = |words: &[&'static str]| words.iter().map(|word| Offer::Word(word)).collect::<Vec<_>>();
        let operand_or = |more: &[&'static str]| {
            let mut res = vec![Offer::Operand];
            res.extend(words(more));
            res
        };
        match self.last {
            Last::Begin => operand_or(&[]),
            Last::Operator(false) => operand_or(&["on", "ignoring"]),
            Last::Operator(true) => operand_or(&["bool", "on", "ignoring"]),
            Last::Matched => operand_or(&["group_left", "group_right"]),
            Last::Selector => words(&["and", "offset", "or", "unless"]),
            Last::Operand => words(&["and", "or", "unless"]),
            Last::Aggregate => words(&["by", "without"]),
            Last::Aggregated => words(&["and", "by", "or", "unless", "without"]),
            Last::Offset => vec![Offer::Duration { closes: false }],
            Last::At => words(&["end()", "start()"]),
            Last::Grouped | Last::GroupWord(_) => Vec::new(),
        }
    }

    /// Returns the selectors of what a list of labels is about.
    fn grouped(&self, role: Role, query: &str, at: usize) -> Vec<Vec<Matcher>> {
        let all = words(query).0;
        let later: Vec<Token> = all.into_iter().filter(|token| token.span.start >= at).collect();
        match role {
            Role::Grouped { is_before: true } => {
                let opened = later.iter().position(|token| token.kind == Kind::LeftParen);
                let body = opened.map_or(&[][..], |opened| inside(&later[opened..]));
                selectors(body, query)
            }
            Role::Grouped { is_before: false } => selectors(self.before_the_list(), query),
            _ => {
                let mut all = self.tokens.clone();
                all.extend(later);
                selectors(&all, query)
            }
        }
    }

    /// Returns the arguments that stand before `by (` at the end.
    fn before_the_list(&self) -> &[Token] {
        let opened = self.tokens.iter().rposition(|token| token.kind == Kind::LeftParen).unwrap_or(0);
        // Before the parenthesis is the word, and before that the closing one.
        let Some(closed) = opened.checked_sub(2) else { return &[] };
        let mut n_open = 0;
        for idx in (0..=closed).rev() {
            match self.tokens[idx].kind {
                Kind::RightParen => n_open += 1,
                Kind::LeftParen if n_open == 1 => return &self.tokens[idx + 1..closed],
                Kind::LeftParen => n_open -= 1,
                _ => {}
            }
        }
        &[]
    }
}

fn in_braces(braces: &Braces) -> Vec<Offer> {
    match &braces.item[..] {
        [] => vec![Offer::LabelName(braces.matchers())],
        [_] => ["=", "!=", "=~", "!~"].map(Offer::Word).into(),
        _ => match braces.awaits_value() {
            Some(label) => vec![Offer::LabelValue { matchers: braces.matchers(), label, quote: None }],
            None => Vec::new(),
        },
    }
}

/// Returns what is inside the parenthesis that a list of words begins with.
fn inside(tokens: &[Token]) -> &[Token] {
    let mut n_open = 0;
    for (idx, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::LeftParen => n_open += 1,
            Kind::RightParen if n_open == 1 => return &tokens[1..idx],
            Kind::RightParen => n_open -= 1,
            _ => {}
        }
    }
    tokens.get(1..).unwrap_or_default()
}

/// Returns the conditions of each selector among the words.
fn selectors(tokens: &[Token], query: &str) -> Vec<Vec<Matcher>> {
    let mut res: Vec<Vec<Matcher>> = Vec::new();
    let mut idx = 0;
    while idx < tokens.len() && res.len() < SELECTORS_MAX {
        let kind = |at: usize| tokens.get(at).map(|token| token.kind);
        let is_list = matches!(
            kind(idx),
            Some(Kind::Word(
                Word::By | Word::Without | Word::On | Word::Ignoring | Word::GroupLeft | Word::GroupRight
            ))
        );
        if is_list && kind(idx + 1) == Some(Kind::LeftParen) {
            idx += 3 + inside(&tokens[idx + 1..]).len();
            continue;
        }
        let is_name = matches!(kind(idx), Some(Kind::Identifier | Kind::MetricIdentifier));
        if is_name && kind(idx + 1) == Some(Kind::LeftParen) {
            // A function.
            idx += 1;
            continue;
        }
        let mut braces = Braces::default();
        if is_name {
            braces.metric = Some(tokens[idx].text(query).to_string());
            idx += 1;
        }
        let has_braces = kind(idx) == Some(Kind::LeftBrace);
        if has_braces {
            idx += 1;
            while let Some(inner) = kind(idx).filter(|inner| *inner != Kind::RightBrace) {
                match inner {
                    Kind::Comma => braces.end_item(),
                    other => braces.item.push((other, tokens[idx].text(query).to_string())),
                }
                idx += 1;
            }
            braces.end_item();
        }
        if is_name || has_braces {
            res.push(braces.matchers());
        }
        if !is_name || has_braces {
            idx += 1;
        }
    }
    res
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(matchers: &[Matcher]) -> String {
        let one = |matcher: &Matcher| {
            let (op, value) = match &matcher.op {
                MatchOp::Equal(value) => ("=", value.clone()),
                MatchOp::NotEqual(value) => ("!=", value.clone()),
                MatchOp::Matches(_) => ("=~", "…".into()),
                MatchOp::MatchesNot(_) => ("!~", "…".into()),
            };
            format!("{}{op}{value}", matcher.name.replace(METRIC_NAME, "name"))
        };
        matchers.iter().map(one).collect::<Vec<_>>().join(",")
    }

    /// Checks what is offered where `|` stands: what was begun, what would be replaced, and the offers.
    fn check(text: &str, prefix: &str, replaced: &str, expect: &str) {
        let at = text.find('|').unwrap();
        let query = text.replacen('|', "", 1);
        let cursor = cursor(&query, at);
        let offers: Vec<String> = cursor
            .offers
            .iter()
            .map(|offer| match offer {
                Offer::Operand => "operand".into(),
                Offer::Word(word) => (*word).into(),
                Offer::Duration { closes } => format!("duration{}", if *closes { "]" } else { "" }),
                Offer::LabelName(matchers) => format!("name of <{}>", written(matchers)),
                Offer::LabelValue { matchers, label, quote } => {
                    let quote = quote.map(String::from).unwrap_or_default();
                    format!("value{quote} of {label} of <{}>", written(matchers))
                }
                Offer::Grouping(selectors) => {
                    let all: Vec<String> = selectors.iter().map(|matchers| written(matchers)).collect();
                    format!("label of <{}>", all.join("> <"))
                }
            })
            .collect();
        let found = (cursor.prefix.as_str(), &query[cursor.replaced.clone()], offers.join(" "));
        assert_eq!(found, (prefix, replaced, expect.to_string()), "{text}");
    }

    #[test]
    fn an_expression_begins_with_a_name() {
        check("|", "", "", "operand");
        check("  ra|", "ra", "ra", "operand");
        check("http_re|quests", "http_re", "http_requests", "operand");
        check("a:b|", "a:b", "a:b", "operand");
        check("su|", "su", "su", "operand");
        check("sum|", "sum", "sum", "operand");
        check("sum(|", "", "", "operand");
        check("rate(ht|", "ht", "ht", "operand");
        check("histogram_quantile(0.9, |", "", "", "operand");
        check("quantile(0.9, u|)", "u", "u", "operand");
        check("-|", "", "", "operand on ignoring");
        check("(|", "", "", "operand");
        check("sum by (job) (|", "", "", "operand");
        check("# a note\nup|", "up", "up", "operand");
    }

    #[test]
    fn behind_an_operand_come_operators() {
        check("up |", "", "", "and offset or unless");
        check("up o|", "o", "o", "and offset or unless");
        check("up{job=\"x\"} |", "", "", "and offset or unless");
        check("rate(x[5m]) |", "", "", "and or unless");
        check("rate(x[5m] |", "", "", "and offset or unless");
        check("1 |", "", "", "and or unless");
        check("sum |", "", "", "by without");
        check("sum b|", "b", "b", "by without");
        check("sum(x) |", "", "", "and by or unless without");
        check("sum by (job) |", "", "", "");
        check("sum(x) by (job) |", "", "", "and or unless");
        check("a > |", "", "", "operand bool on ignoring");
        check("a > b|", "b", "b", "operand bool on ignoring");
        check("a + |", "", "", "operand on ignoring");
        check("a and |", "", "", "operand on ignoring");
        check("a / on (job) |", "", "", "operand group_left group_right");
        check("a / on (job) group_left (x) |", "", "", "operand on ignoring");
        check("up @ |", "", "", "end() start()");
    }

    #[test]
    fn durations_stand_in_brackets_and_behind_offset() {
        check("x[|", "", "", "duration]");
        check("x[|]", "", "", "duration");
        check("rate(x[5|", "5", "5", "duration]");
        check("rate(x[5|])", "5", "5", "duration");
        check("x[1h:|", "", "", "duration]");
        check("x offset |", "", "", "duration");
        check("x offset 5|", "5", "5", "duration");
        check("x[5m] |", "", "", "and offset or unless");
        // A number alone is one.
        check("5|", "5", "5", "");
    }

    #[test]
    fn labels_stand_in_braces() {
        check("up{|", "", "", "name of <name=up>");
        check("up{jo|", "jo", "jo", "name of <name=up>");
        check("up{jo|b=\"x\"}", "jo", "job", "name of <name=up>");
        check("up{job |", "", "", "= != =~ !~");
        check("up{job=\"x\", |}", "", "", "name of <name=up,job=x>");
        check("up{job=\"x\"|", "", "", "");
        check("{|", "", "", "name of <>");
        check("{a!=\"x\",b=~\"y.\",|", "", "", "name of <a!=x,b=~…>");
        check("sum(rate(http{code=~\"5..\", m!~\"P.*\",|}[5m]))", "", "", "name of <name=http,code=~…,m!~…>");
        check("a + b{c=~\"(\", |", "", "", "name of <name=b>");
    }

    #[test]
    fn values_stand_behind_their_labels() {
        check("up{job=|", "", "", "value of job of <name=up>");
        check("up{job=\"|", "", "\"", "value\" of job of <name=up>");
        check("up{job=\"vi|", "vi", "\"vi", "value\" of job of <name=up>");
        check("up{job=\"vi|trine\"}", "vi", "\"vitrine\"", "value\" of job of <name=up>");
        check("up{job=\"vi|, a=\"b\"}", "vi", "\"vi", "value\" of job of <name=up>");
        check("up{a=\"b\", job=~'vi|", "vi", "'vi", "value' of job of <name=up,a=b>");
        check("up{job!=`|`}", "", "``", "value` of job of <name=up>");
        check("up{\"http.status\"=\"2|", "2", "\"2", "value\" of http.status of <name=up>");
        // The value of no label.
        check("label_replace(up, \"|", "", "\"", "");
        check("up{\"ht|", "ht", "\"ht", "");
    }

    #[test]
    fn lists_have_labels_of_what_they_group() {
        check("sum by (|) (rate(a{b=\"c\"}[5m]))", "", "", "label of <name=a,b=c>");
        check("sum by (x, jo|) (a / b)", "jo", "jo", "label of <name=a> <name=b>");
        check("sum(a{b=\"c\"}) by (|", "", "", "label of <name=a,b=c>");
        check("sum(a) by (j|) / sum(b) by (k)", "j", "j", "label of <name=a>");
        check("sum(max by (z) (a)) without (|)", "", "", "label of <name=a>");
        check("sum by (|", "", "", "label of <>");
        check("a / on (|) b", "", "", "label of <name=a> <name=b>");
        check("a / on (j) group_left (|) b{c=\"d\"}", "", "", "label of <name=a> <name=b,c=d>");
        // A label may have the name of a word.
        check("sum by (by, |) (a)", "", "", "label of <name=a>");
    }

    #[test]
    fn nothing_is_offered_where_nothing_can_be_told() {
        check("up # no|", "", "", "");
        check("up $ |", "", "", "");
        check("up !|", "", "", "");
        check("up{job!|", "", "", "");
        check("\"a text|", "a text", "\"a text", "");
    }

    #[test]
    fn any_place_of_any_text_is_fine() {
        for query in
            ["sum by (job) (rate(ünï{a=\"é\"}[5m:1m])) > bool on (x) 1 # é", "}{][)(", "{{\"\"\"", "a[", ""]
        {
            for at in 0..query.len() + 3 {
                let found = cursor(query, at);
                assert!(query.get(found.replaced.clone()).is_some(), "{query} at {at}: {found:?}");
            }
        }
    }
}
