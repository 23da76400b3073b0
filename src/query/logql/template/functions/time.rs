//! Times: now, of the line, read, written.
//!
//! Source: Loki, "LogQL template functions"; sprig; Go's package `time`, of whose methods those are
//! here that a template has a use for. `now` has no reading of a monotonic clock behind it, which Go
//! prints too.

use std::rc::Rc;

use super::{Answer, Args, Function, Kind, of};
use crate::query::logql::template::budget::fits;
use crate::query::logql::template::layout;
use crate::query::logql::template::moment::{DAY_S, Moment, Zone};
use crate::query::logql::template::value::{Named, Value};
use crate::query::logql::template::{format, quoted};

pub(super) const FUNCTIONS: &[Function] = &[
    of("__timestamp__", &[], |context, _| {
        let at = context.scope.at().0;
        Ok(moment(Moment::of_nanos(at, context.here())))
    }),
    of("now", &[], |context, _| {
        let now = context.scope.now().0;
        Ok(moment(Moment::of_nanos(now, context.here())))
    }),
    of("date", &[Kind::Text, Kind::Any], |context, args| {
        let mut at = match args.value(1) {
            Value::Moment(moment) => (**moment).clone(),
            // Seconds; a text is none, and what is none is now.
            Value::Int(seconds) | Value::Long(seconds) => Moment::new(*seconds, 0, Zone::Utc),
            _ => Moment::of_nanos(context.scope.now().0, Zone::Utc),
        };
        at.zone = context.here();
        formatted(&at, args.text(0))
    }),
    of("toDate", &[Kind::Text, Kind::Text], |context, args| {
        Ok(read(args.text(0), args.text(1), context.here()))
    }),
    of("toDateInZone", &[Kind::Text, Kind::Text, Kind::Text], |context, args| {
        let zone = Zone::of_name(args.text(1), &context.scope.zone());
        Ok(read(args.text(0), args.text(2), zone))
    }),
    of("unixEpoch", &[Kind::Moment], |_, args| Ok(Value::text(args.moment(0).seconds.to_string()))),
    of("unixEpochMillis", &[Kind::Moment], |_, args| {
        Ok(Value::text(args.moment(0).unix_millis().to_string()))
    }),
    of("unixEpochNanos", &[Kind::Moment], |_, args| Ok(Value::text(args.moment(0).unix_nanos().to_string()))),
    of("unixToTime", &[Kind::Text], |context, args| of_epoch(args.text(0), context.here()).map(moment)),
];

/// What can be asked of a time: the receiver is the first argument.
pub(super) const METHODS: &[Function] = &[
    of("Format", &[Kind::Moment, Kind::Text], |_, args| formatted(&args.moment(0), args.text(1))),
    of("String", &[Kind::Moment], |_, args| Ok(Value::text(args.moment(0).shown()))),
    of("Unix", &[Kind::Moment], |_, args| Ok(Value::Long(args.moment(0).seconds))),
    of("UnixMilli", &[Kind::Moment], |_, args| Ok(Value::Long(args.moment(0).unix_millis()))),
    of("UnixMicro", &[Kind::Moment], |_, args| Ok(Value::Long(args.moment(0).unix_micros()))),
    of("UnixNano", &[Kind::Moment], |_, args| Ok(Value::Long(args.moment(0).unix_nanos()))),
    of("Year", &[Kind::Moment], |_, args| Ok(Value::Int(args.moment(0).civil().year))),
    of("Month", &[Kind::Moment], |_, args| Ok(Value::Named(Named::Month(args.moment(0).civil().month)))),
    of("Day", &[Kind::Moment], |_, args| Ok(Value::Int(args.moment(0).civil().day.into()))),
    of("YearDay", &[Kind::Moment], |_, args| Ok(Value::Int(args.moment(0).civil().year_day.into()))),
    of("Weekday", &[Kind::Moment], |_, args| {
        Ok(Value::Named(Named::Weekday(args.moment(0).civil().weekday)))
    }),
    of("Hour", &[Kind::Moment], |_, args| Ok(Value::Int(args.moment(0).civil().hour.into()))),
    of("Minute", &[Kind::Moment], |_, args| Ok(Value::Int(args.moment(0).civil().minute.into()))),
    of("Second", &[Kind::Moment], |_, args| Ok(Value::Int(args.moment(0).civil().second.into()))),
    of("Nanosecond", &[Kind::Moment], |_, args| Ok(Value::Int(args.moment(0).nanos.into()))),
    of("IsZero", &[Kind::Moment], |_, args| Ok(Value::Truth(args.moment(0).is_none()))),
    of("Before", &[Kind::Moment, Kind::Moment], |_, args| {
        Ok(Value::Truth(args.moment(0).is_before(&args.moment(1))))
    }),
    of("After", &[Kind::Moment, Kind::Moment], |_, args| {
        Ok(Value::Truth(args.moment(1).is_before(&args.moment(0))))
    }),
    of("Equal", &[Kind::Moment, Kind::Moment], |_, args| {
        Ok(Value::Truth(args.moment(0).is_same_as(&args.moment(1))))
    }),
    of("Sub", &[Kind::Moment, Kind::Moment], |_, args| {
        Ok(Value::Named(Named::Nanoseconds(args.moment(0).since(&args.moment(1)))))
    }),
    of("UTC", &[Kind::Moment], |_, args| Ok(moment(Moment { zone: Zone::Utc, ..args.moment(0) }))),
    of("Local", &[Kind::Moment], |context, args| {
        Ok(moment(Moment { zone: context.here(), ..args.moment(0) }))
    }),
];

/// What can be asked of a month, a day of the week or a duration.
pub(super) const METHODS_OF_NAMED: &[Function] = &[
    of("String", &[Kind::Any], |_, args| {
        let Value::Named(named) = args.value(0) else { return Ok(Value::Nothing) };
        Ok(Value::text(format::named_text(*named)))
    }),
    of("Hours", &[Kind::Any], |_, args| in_units(args, 3_600_000_000_000)),
    of("Minutes", &[Kind::Any], |_, args| in_units(args, 60_000_000_000)),
    of("Seconds", &[Kind::Any], |_, args| in_units(args, 1_000_000_000)),
    of("Milliseconds", &[Kind::Any], |_, args| Ok(Value::Long(args.int(0) / 1_000_000))),
    of("Microseconds", &[Kind::Any], |_, args| Ok(Value::Long(args.int(0) / 1_000))),
    of("Nanoseconds", &[Kind::Any], |_, args| Ok(Value::Long(args.int(0)))),
];

fn moment<'t>(moment: Moment) -> Value<'t> {
    Value::Moment(Rc::new(moment))
}

fn formatted<'t>(moment: &Moment, layout: &str) -> Answer<'t> {
    // No element of a layout becomes ten times as long.
    fits(layout.len().saturating_mul(10))?;
    Ok(Value::text(layout::format(moment, layout)))
}

/// Reads a time; what is none is the first moment of the year 1.
fn read<'t>(layout: &str, text: &str, zone: Zone) -> Value<'t> {
    moment(layout::parse(layout, text, zone).unwrap_or_else(Moment::none))
}

fn in_units(args: Args<'_>, unit_ns: i64) -> Answer<'_> {
    let nanos = args.int(0);
    Ok(Value::Float((nanos / unit_ns) as f64 + (nanos % unit_ns) as f64 / unit_ns as f64))
}

/// Reads days, seconds, milli-, micro- or nanoseconds since 1970, told apart by their digits.
fn of_epoch(text: &str, zone: Zone) -> Result<Moment, String> {
    let unable = |reason: String| format!("unable to parse time '{text}': {reason}");
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number: i64 = text.parse().map_err(|_| {
        let reason = if is_number { "value out of range" } else { "invalid syntax" };
        unable(format!("strconv.ParseInt: parsing {}: {reason}", quoted(text)))
    })?;
    Ok(match text.len() {
        5 => Moment::new(number * DAY_S, 0, zone),
        10 => Moment::new(number, 0, zone),
        13 => Moment::of_nanos(number.wrapping_mul(1_000_000), zone),
        16 => Moment::of_nanos(number.wrapping_mul(1_000), zone),
        19 => Moment::of_nanos(number, zone),
        // Loki has no reason here, and Go says so.
        _ => return Err(unable("%!w(<nil>)".into())),
    })
}

#[cfg(test)]
mod tests {
    use crate::query::logql::template::tests::{check, check_fault};

    #[test]
    fn the_line_and_the_clock_have_a_time() {
        check("{{__timestamp__}}", "2026-11-26 16:49:02.123456789 +0000 UTC");
        check("{{now}}", "2026-11-27 00:00:00 +0000 UTC");
        check("{{__timestamp__ | date \"2006-01-02T15:04:05.00Z07:00\"}}", "2026-11-26T16:49:02.12Z");
        check("{{date \"2006-01-02 15\" 1795711742}} {{date \"Mon\" \"x\"}}", "2026-11-26 16 Fri");
    }

    #[test]
    fn times_are_read_and_counted() {
        check("{{__timestamp__ | unixEpoch}} {{unixEpochMillis __timestamp__}}", "1795711742 1795711742123");
        check("{{unixEpochNanos __timestamp__}}", "1795711742123456789");
        check("{{toDate \"2006-01-02\" \"2021-11-02\" | unixEpoch}}", "1635811200");
        check("{{toDate \"2006\" \"x\"}}", "0001-01-01 00:00:00 +0000 UTC");
        check(
            "{{toDateInZone \"2006-01-02 15:04\" \"Europe/Berlin\" \"2026-07-01 10:00\"}}",
            "2026-07-01 10:00:00 +0200 CEST",
        );
        check("{{toDateInZone \"2006\" \"No/Where\" \"2026\"}}", "2026-01-01 00:00:00 +0000 UTC");
        check_fault("{{unixEpoch \"x\"}}", "can't handle \"x\" for arg of type time.Time");
        check_fault("{{unixEpoch .name}}", "wrong type for value; expected time.Time; got string");
    }

    #[test]
    fn epochs_are_told_apart_by_their_digits() {
        let check_epoch = |text: &str, expect: &str| {
            check(&format!("{{{{unixToTime \"{text}\" | date \"2006-01-02 15:04:05.999999999\"}}}}"), expect);
        };
        check_epoch("19373", "2023-01-16 00:00:00");
        check_epoch("1673798889", "2023-01-15 16:08:09");
        check_epoch("1673798889902", "2023-01-15 16:08:09.902");
        check_epoch("1673798889902000", "2023-01-15 16:08:09.902");
        check_epoch("1673798889902000001", "2023-01-15 16:08:09.902000001");
        check_fault(
            "{{unixToTime \"123\"}}",
            "error calling unixToTime: unable to parse time '123': %!w(<nil>)",
        );
        check_fault(
            "{{unixToTime \"x\"}}",
            "unable to parse time 'x': strconv.ParseInt: parsing \"x\": invalid syntax",
        );
        check_fault(
            "{{unixToTime \"99999999999999999999\"}}",
            "parsing \"99999999999999999999\": value out of range",
        );
    }

    #[test]
    fn times_have_methods() {
        check(
            "{{__timestamp__.Format \"15:04\"}} {{now.Year}} {{now.Month}} {{printf \"%d\" now.Month}}",
            "16:49 2026 November 11",
        );
        check(
            "{{__timestamp__.Weekday}} {{(now.Sub __timestamp__).Hours}} {{now.Sub __timestamp__}}",
            "Thursday 7.182743484225278 7h10m57.876543211s",
        );
        check(
            "{{(unixToTime \"1795711742\").UTC.Unix}} {{now.Local.YearDay}} {{now.IsZero}}",
            "1795711742 331 false",
        );
        check(
            "{{now.After __timestamp__}} {{now.Before __timestamp__}} {{now.Equal now}}",
            "true false true",
        );
        check_fault("{{now.Foo}}", "can't evaluate field Foo in type time.Time");
        check_fault("{{now.Format}}", "wrong number of args for Format: want 1 got 0");
    }
}
