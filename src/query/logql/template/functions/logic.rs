//! Truth, comparison, what is inside of what, and printing.
//!
//! Source: Go, the documentation of `text/template`; sprig for `default`.

use super::{Answer, Args, Body, Context, Function, Kind, of, with_rest};
use crate::query::logql::template::format;
use crate::query::logql::template::value::{Value, lossy, n_labels};

const ANY: Kind = Kind::Reflected;
const TWO: &[Kind] = &[ANY, ANY];

pub(super) const FUNCTIONS: &[Function] = &[
    Function { name: "and", takes: &[ANY], rest: Some(ANY), body: Body::And },
    Function { name: "or", takes: &[ANY], rest: Some(ANY), body: Body::Or },
    Function { name: "call", takes: &[ANY], rest: Some(ANY), body: Body::Call },
    of("not", &[ANY], |context, args| Ok(Value::Truth(!args.value(0).is_true(context.scope)))),
    with_rest("eq", &[ANY], ANY, |context, args| {
        if args.len() < 2 {
            return Err("missing argument for comparison".into());
        }
        for other in &args.0[1..] {
            if is_equal(context, args.value(0), other)? {
                return Ok(Value::Truth(true));
            }
        }
        Ok(Value::Truth(false))
    }),
    of("ne", TWO, |context, args| Ok(Value::Truth(!is_equal(context, args.value(0), args.value(1))?))),
    of("lt", TWO, |_, args| is_less(args.value(0), args.value(1)).map(Value::Truth)),
    of("le", TWO, |context, args| is_at_most(context, &args).map(Value::Truth)),
    of("gt", TWO, |context, args| is_at_most(context, &args).map(|at_most| Value::Truth(!at_most))),
    of("ge", TWO, |_, args| is_less(args.value(0), args.value(1)).map(|less| Value::Truth(!less))),
    with_rest("default", &[Kind::Any], Kind::Any, |context, mut args| {
        let is_given = args.len() > 1 && args.value(1).is_true(context.scope);
        Ok(args.take(usize::from(is_given)))
    }),
    of("len", &[ANY], |context, args| {
        Ok(Value::Int(match args.value(0) {
            Value::Text(text) => text.len(),
            Value::List(list) => list.len(),
            Value::Map(map) => map.len(),
            Value::Labels => n_labels(context.scope),
            Value::Nothing => return Err("reflect: call of reflect.Value.Type on zero Value".into()),
            other => return Err(format!("len of type {}", other.type_name())),
        } as i64))
    }),
    with_rest("index", &[ANY], ANY, |context, mut args| {
        let mut item = args.take(0);
        if matches!(item, Value::Nothing) {
            return Err("index of untyped nil".into());
        }
        for index in &args.0[1..] {
            item = indexed(context, &item, index)?;
        }
        Ok(item)
    }),
    with_rest("slice", &[ANY], ANY, sliced),
    with_rest("print", &[], Kind::Any, |context, args| {
        format::print(context.scope, &args.0).map(Value::text)
    }),
    with_rest("println", &[], Kind::Any, |context, args| {
        format::print_line(context.scope, &args.0).map(Value::text)
    }),
    with_rest("printf", &[Kind::Text], Kind::Any, |context, args| {
        format::print_by(context.scope, args.text(0), &args.0[1..]).map(Value::text)
    }),
];

/// What can be compared with what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Basic {
    Truth,
    Int,
    Uint,
    Float,
    Text,
    None,
}

fn basic(value: &Value<'_>) -> Basic {
    match value {
        Value::Truth(_) => Basic::Truth,
        Value::Int(_) | Value::Long(_) | Value::Named(_) => Basic::Int,
        Value::Byte(_) => Basic::Uint,
        Value::Float(_) => Basic::Float,
        Value::Text(_) => Basic::Text,
        Value::Nothing | Value::Moment(_) | Value::Labels | Value::List(_) | Value::Map(_) => Basic::None,
        Value::Held(inner) => basic(inner),
    }
}

fn incompatible(a: &Value<'_>, b: &Value<'_>) -> String {
    format!("incompatible types for comparison: {} and {}", a.type_name(), b.type_name())
}

fn is_equal(context: &Context<'_>, a: &Value<'_>, b: &Value<'_>) -> Result<bool, String> {
    let shown = |value: &Value<'_>| format::print_by(context.scope, "%s", std::slice::from_ref(value));
    Ok(match (a, b) {
        (Value::Truth(a), Value::Truth(b)) => a == b,
        (Value::Float(a), Value::Float(b)) => a == b,
        (Value::Text(a), Value::Text(b)) => a == b,
        (Value::Nothing, Value::Nothing) => true,
        (Value::Nothing, _) | (_, Value::Nothing) => false,
        (Value::Moment(a), Value::Moment(b)) => a.is_same_as(b),
        _ => match (a.integer(), b.integer(), basic(a), basic(b)) {
            (Some(a), Some(b), ..) => a == b,
            (_, _, Basic::None, Basic::None) => {
                let is_same_kind = a.type_name() == b.type_name() || (is_map(a) && is_map(b));
                if is_same_kind {
                    return Err(format!("non-comparable type {}: {}", shown(b)?, b.type_name()));
                }
                let (type_a, type_b) = (a.type_name(), b.type_name());
                return Err(format!(
                    "non-comparable types {}: {type_a}, {type_b}: {}",
                    shown(a)?,
                    format::print(context.scope, std::slice::from_ref(b))?
                ));
            }
            _ => return Err(incompatible(a, b)),
        },
    })
}

fn is_map(value: &Value<'_>) -> bool {
    matches!(value, Value::Labels | Value::Map(_))
}

fn is_less(a: &Value<'_>, b: &Value<'_>) -> Result<bool, String> {
    let invalid = "invalid type for comparison";
    if basic(a) == Basic::None || basic(b) == Basic::None {
        return Err(invalid.into());
    }
    match (a, b) {
        (Value::Truth(_), Value::Truth(_)) => Err(invalid.into()),
        (Value::Float(a), Value::Float(b)) => Ok(a < b),
        (Value::Text(a), Value::Text(b)) => Ok(a < b),
        _ => match (a.integer(), b.integer()) {
            (Some(a), Some(b)) => Ok(a < b),
            _ => Err(incompatible(a, b)),
        },
    }
}

fn is_at_most(context: &Context<'_>, args: &Args<'_>) -> Result<bool, String> {
    Ok(is_less(args.value(0), args.value(1))? || is_equal(context, args.value(0), args.value(1))?)
}

/// Reads a place in something of a length.
fn place(index: &Value<'_>, len: usize) -> Result<usize, String> {
    let Some(number) = index.integer() else {
        return Err(match index {
            Value::Nothing => "cannot index slice/array with nil".to_string(),
            other => format!("cannot index slice/array with type {}", other.type_name()),
        });
    };
    let place = usize::try_from(number).ok().filter(|place| *place <= len);
    place.ok_or_else(|| format!("index out of range: {number}"))
}

fn indexed<'t>(context: &Context<'t>, item: &Value<'t>, index: &Value<'_>) -> Answer<'t> {
    // One behind the last is a place, but nothing is there.
    let behind = |kind: &str| format!("reflect: {kind} index out of range");
    let key = || match index {
        Value::Text(name) => Ok(&**name),
        Value::Nothing => Err("value is nil; should be of type string".to_string()),
        other => Err(format!("value has type {}; should be string", other.type_name())),
    };
    match item {
        Value::Text(text) => {
            let byte = text.as_bytes().get(place(index, text.len())?);
            byte.map(|byte| Value::Byte(*byte)).ok_or_else(|| behind("string"))
        }
        Value::List(list) => list.get(place(index, list.len())?).cloned().ok_or_else(|| behind("slice")),
        Value::Map(map) => Ok(map.get(key()?).cloned().unwrap_or(Value::Nothing)),
        Value::Labels => Ok(Value::text(context.scope.label(key()?).unwrap_or_default())),
        Value::Nothing => Err("index of nil pointer".into()),
        other => Err(format!("can't index item of type {}", other.type_name())),
    }
}

fn sliced<'t>(_: &mut Context<'t>, mut args: Args<'t>) -> Answer<'t> {
    let item = args.take(0);
    let indexes = &args.0[1..];
    if matches!(item, Value::Nothing) {
        return Err("slice of untyped nil".into());
    }
    if indexes.len() > 3 {
        return Err(format!("too many slice indexes: {}", indexes.len()));
    }
    let len = match &item {
        Value::Text(_) if indexes.len() == 3 => return Err("cannot 3-index slice a string".into()),
        Value::Text(text) => text.len(),
        Value::List(list) => list.len(),
        other => return Err(format!("can't slice item of type {}", other.type_name())),
    };
    let mut places = [0, len, len];
    for (idx, index) in indexes.iter().enumerate() {
        places[idx] = place(index, len)?;
    }
    for idx in [0, 1] {
        if places[idx] > places[idx + 1] {
            return Err(format!("invalid slice index: {} > {}", places[idx], places[idx + 1]));
        }
    }
    let range = places[0]..places[1];
    Ok(match item {
        Value::Text(text) => Value::text(lossy(&text.as_bytes()[range]).into_owned()),
        Value::List(list) => Value::List(list[range].to_vec().into()),
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use crate::query::logql::template::tests::{check, check_fault};

    #[test]
    fn truth_is_what_is_not_zero() {
        check(
            "{{not 0}} {{not \"\"}} {{not .}} {{not nil}} {{not __timestamp__}} {{not 0.5}}",
            "true true false true false false",
        );
        check(
            "{{and 1 0 2}} {{and \"a\" \"b\"}} {{or 0 \"\" 3}} {{or 0 \"\"}} {{1 | and true}} {{0 | or 0}}",
            "0 b 3  1 0",
        );
        // What decides ends it: the rest would fail.
        check("{{or 1 (index .name 99)}}{{and 0 (index .name 99)}}", "10");
    }

    #[test]
    fn values_of_one_kind_are_compared() {
        check(
            "{{eq 1 2 1}} {{eq .name \"shop\"}} {{ne 1 2}} {{eq 1 (add 1)}} {{eq 104 (index \"h\" 0)}}",
            "true true true true true",
        );
        check(
            "{{lt 1 2}} {{le \"b\" \"a\"}} {{gt 2.5 1.5}} {{ge 1 1}} {{eq nil nil}} {{eq nil 1}}",
            "true false true true true false",
        );
        check("{{eq true false}} {{eq __timestamp__ __timestamp__}}", "false true");
        check_fault("{{eq 1 1.0}}", "error calling eq: incompatible types for comparison: int and float64");
        check_fault("{{eq .name 1}}", "error calling eq: incompatible types for comparison: string and int");
        check_fault("{{eq 1}}", "error calling eq: missing argument for comparison");
        check_fault("{{lt true false}}", "error calling lt: invalid type for comparison");
        check_fault("{{lt nil 1}}", "error calling lt: invalid type for comparison");
        check_fault("{{gt \"1\" 1}}", "error calling gt: incompatible types for comparison: string and int");
        check_fault(
            "{{eq (fromJson \"[1]\") (fromJson \"[1]\")}}",
            "error calling eq: non-comparable type [%!s(float64=1)]: []interface {}",
        );
    }

    #[test]
    fn defaults_stand_in_for_zeros() {
        check(
            "{{default \"-\" \"\"}}{{default \"-\" \"a\"}}{{.nope | default \"?\"}}{{default 5 0}}{{default 1}}",
            "-a?51",
        );
    }

    #[test]
    fn insides_are_measured_and_taken() {
        check("{{len \"hé\"}} {{len .}} {{len (fromJson \"[1,2]\")}}", "3 4 2");
        check_fault("{{len 5}}", "error calling len: len of type int");
        check_fault("{{len nil}}", "error calling len: reflect: call of reflect.Value.Type on zero Value");
        check(
            "{{index \"abc\" 1}} {{index . \"name\"}} [{{index . \"nope\"}}] {{index (fromJson .json) \"k\" 3 \"z\"}}",
            "98 shop [] true",
        );
        check("{{index \"abc\"}}", "abc");
        check_fault("{{index . 1}}", "error calling index: value has type int; should be string");
        check_fault("{{index . nil}}", "error calling index: value is nil; should be of type string");
        check_fault(
            "{{index \"a\" \"x\"}}",
            "error calling index: cannot index slice/array with type string",
        );
        check_fault("{{index \"a\" 2}}", "error calling index: index out of range: 2");
        check_fault("{{index \"a\" 1}}", "error calling index: reflect: string index out of range");
        check_fault("{{index 5 1}}", "error calling index: can't index item of type int");
        check(
            "{{slice \"hello\" 1 3}} {{slice \"hello\"}} {{slice (fromJson \"[1,2,3]\") 1}}",
            "el hello [2 3]",
        );
        check_fault("{{slice \"hello\" 3 1}}", "error calling slice: invalid slice index: 3 > 1");
        check_fault("{{slice \"hello\" 1 2 3}}", "error calling slice: cannot 3-index slice a string");
        check_fault("{{slice 5 1}}", "error calling slice: can't slice item of type int");
    }

    #[test]
    fn values_are_printed_with_spaces_between_numbers() {
        check(
            "{{print 1 2 \"a\" 3 4.0 nil true}}|{{println 1 \"x\"}}|{{printf \"%s-%d\" \"a\" 1}}",
            "1 2a3 4 <nil> true|1 x\n|a-1",
        );
        check_fault("{{printf 1}}", "expected string; found 1");
        check_fault("{{call .name}}", "error calling call: non-function .name of type string");
        check_fault("{{call nil}}", "error calling call: call of nil");
    }
}
