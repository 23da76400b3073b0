//! Amounts with units: bytes and durations, as floats.

use super::{Answer, Args, Context, Function, Kind, of};
use crate::query::logql::bytes::parse_bytes;
use crate::query::logql::go_duration;
use crate::query::logql::template::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    of("bytes", &[Kind::Text], bytes),
    of("duration", &[Kind::Text], seconds),
    of("duration_seconds", &[Kind::Text], seconds),
];

fn bytes<'t>(_: &mut Context<'t>, args: Args<'t>) -> Answer<'t> {
    let size = parse_bytes(args.text(0)).map_err(|error| error.to_string())?;
    Ok(Value::Float(size as f64))
}

fn seconds<'t>(_: &mut Context<'t>, args: Args<'t>) -> Answer<'t> {
    let nanos = go_duration::parse_duration(args.text(0)).map_err(|error| error.to_string())?;
    Ok(Value::Float(go_duration::seconds(nanos)))
}

#[cfg(test)]
mod tests {
    use crate::query::logql::template::tests::{check, check_fault};

    #[test]
    fn sizes_are_bytes() {
        check(r#"{{bytes "1.5 kB"}} {{bytes "2KiB"}} {{bytes "1,024"}} {{bytes "5"}}"#, "1500 2048 1024 5");
        check_fault(
            r#"{{bytes "x"}}"#,
            r#"error calling bytes: strconv.ParseFloat: parsing "": invalid syntax"#,
        );
        check_fault(r#"{{bytes "5 foo"}}"#, "error calling bytes: unhandled size name: foo");
        check_fault(r#"{{bytes "99 EB"}}"#, "error calling bytes: too large: 99 EB");
    }

    #[test]
    fn durations_are_seconds() {
        check(r#"{{duration "1h30m"}} {{duration_seconds "-1.5s"}} {{duration "250ms"}}"#, "5400 -1.5 0.25");
        check(r#"{{duration "0"}} {{duration "+.5h"}} {{duration "1µs1ns"}}"#, "0 1800 1.001e-06");
        let check_text = |text: &str, expect: &str| {
            check_fault(
                &format!("{{{{duration `{text}`}}}}"),
                &format!("error calling duration: time: {expect}"),
            );
        };
        check_text("", r#"invalid duration """#);
        check_text("5", r#"missing unit in duration "5""#);
        check_text("1x", r#"unknown unit "x" in duration "1x""#);
        check_text("1h é", r#"unknown unit "h \xc3\xa9" in duration "1h \xc3\xa9""#);
        check_text("9999999h", r#"invalid duration "9999999h""#);
        check_text(".s", r#"invalid duration ".s""#);
        check_text("12345678901234567890", r#"invalid duration "12345678901234567890""#);
    }
}
