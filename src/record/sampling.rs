//! Which traces are recorded: decided once, by the trace id, before any span is made.

use std::fmt;

use super::trace::TraceContext;

/// Chooses the requests whose spans are recorded whatever happens to them; slow and failed
/// ones are recorded by one span without being chosen.
///
/// The names are those of `OTEL_TRACES_SAMPLER` (OpenTelemetry, "SDK Environment Variables").
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampler {
    /// How a trace that begins here is chosen.
    pub root: Root,
    /// Whether a caller's decision, sent with its `traceparent`, goes before ours.
    pub heeds_caller: bool,
}

/// How a trace that begins here is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    /// Every one.
    AlwaysOn,
    /// None.
    AlwaysOff,
    /// By its id, so that every program on its way that goes by the same ratio agrees.
    TraceIdRatio,
}

impl Default for Sampler {
    fn default() -> Self {
        Sampler { root: Root::TraceIdRatio, heeds_caller: true }
    }
}

impl Sampler {
    /// Every name with its sampler.
    pub const ALL: [(&'static str, Sampler); 6] = [
        ("parentbased_traceidratio", Sampler { root: Root::TraceIdRatio, heeds_caller: true }),
        ("parentbased_always_on", Sampler { root: Root::AlwaysOn, heeds_caller: true }),
        ("parentbased_always_off", Sampler { root: Root::AlwaysOff, heeds_caller: true }),
        ("traceidratio", Sampler { root: Root::TraceIdRatio, heeds_caller: false }),
        ("always_on", Sampler { root: Root::AlwaysOn, heeds_caller: false }),
        ("always_off", Sampler { root: Root::AlwaysOff, heeds_caller: false }),
    ];

    /// Returns the sampler of a name.
    pub fn parse(name: &str) -> Option<Sampler> {
        Sampler::ALL.iter().find(|(known, _)| *known == name).map(|(_, sampler)| *sampler)
    }

    /// Returns the name.
    pub fn as_str(self) -> &'static str {
        let known = Sampler::ALL.iter().find(|(_, sampler)| *sampler == self);
        known.map_or("", |(name, _)| name)
    }
}

impl fmt::Display for Sampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A sampler with its ratio, ready to decide in a few nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    sampler: Sampler,
    /// A trace is chosen when the lower 63 bits of its id are below this.
    below: u64,
}

impl Sampling {
    /// Prepares a sampler; `ratio` is between 0 and 1 and counts for
    /// [`Root::TraceIdRatio`] alone.
    pub fn new(sampler: Sampler, ratio: f64) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and 2^63, and a fraction of one id makes no difference"
        )]
        let below = (ratio.clamp(0.0, 1.0) * (1_u64 << 63) as f64) as u64;
        Sampling { sampler, below }
    }

    /// Decides about a request, whose context says what its caller wished, if there is one who
    /// may wish: a stranger who chose every request would push out what the owner looks for.
    pub fn chooses(self, context: &TraceContext, is_caller_trusted: bool) -> bool {
        if self.sampler.heeds_caller && is_caller_trusted && context.parent.is_some() {
            return context.sampled;
        }
        match self.sampler.root {
            Root::AlwaysOn => true,
            Root::AlwaysOff => false,
            Root::TraceIdRatio => {
                let [.., a, b, c, d, e, f, g, h] = context.trace_id.0;
                u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 1 < self.below
            }
        }
    }
}

impl Default for Sampling {
    /// Chooses nothing by itself and heeds callers.
    fn default() -> Self {
        Sampling::new(Sampler::default(), 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(sampler: &str, ratio: f64, context: impl Fn() -> TraceContext) -> f64 {
        let sampling = Sampling::new(Sampler::parse(sampler).unwrap(), ratio);
        let n_chosen = (0..10_000).filter(|_| sampling.chooses(&context(), true)).count();
        n_chosen as f64 / 10_000.0
    }

    #[test]
    fn a_ratio_chooses_that_share_and_the_others_all_or_none() {
        let share = |sampler, ratio| share(sampler, ratio, TraceContext::root);
        assert!((share("traceidratio", 0.3) - 0.3).abs() < 0.03);
        assert!((share("parentbased_traceidratio", 0.01) - 0.01).abs() < 0.006);
        assert_eq!((share("traceidratio", 0.0), share("traceidratio", 1.0)), (0.0, 1.0));
        assert_eq!((share("always_on", 0.0), share("always_off", 1.0)), (1.0, 0.0));
    }

    #[test]
    fn a_callers_wish_counts_for_parent_based_samplers_alone() {
        let called = |sampled: u8| {
            let text = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0{sampled}");
            move || TraceContext::from_traceparent(Some(&text))
        };
        assert_eq!(share("parentbased_always_off", 0.0, called(1)), 1.0);
        assert_eq!(share("parentbased_always_on", 1.0, called(0)), 0.0);
        let strange = called(1)();
        assert!(!Sampling::default().chooses(&strange, false) && Sampling::default().chooses(&strange, true));
        assert_eq!(share("always_off", 0.0, called(1)), 0.0);
        assert_eq!(share("always_on", 0.0, called(0)), 1.0);
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for (name, sampler) in Sampler::ALL {
            assert_eq!(Sampler::parse(name), Some(sampler));
            assert_eq!(sampler.to_string(), name);
        }
        assert_eq!(Sampler::parse("jaeger_remote"), None);
    }
}
