//! Random quantities by a written distribution: how long an answer is held back, how long a user thinks, how large a
//! body is. Draws are seeded; nothing here is fit for statistics or secrets.
//!
//! ```text
//! 20            always 20              uniform:10-50   each value alike
//! exp:20        exponential, mean 20   normal:20,5     mean and deviation, never below 0
//! pareto:5,1.5  least and shape: a heavy tail
//! ```

use dataplane::stdx::prng::Prng;

/// A distribution; the unit is whoever reads it's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Spread {
    /// Always this.
    Fixed(f64),
    /// Between the two, each alike.
    Uniform(f64, f64),
    /// Exponential with this mean.
    Exponential(f64),
    /// Normal with mean and deviation, cut off at 0.
    Normal(f64, f64),
    /// Pareto with the least value and the shape.
    Pareto(f64, f64),
}

impl Spread {
    /// Reads what stands above; `number` reads one value (a size, a span, milliseconds).
    pub fn parse(text: &str, number: impl Fn(&str) -> Option<f64>) -> Option<Self> {
        let two = |text: &str, between: char| {
            let (first, second) = text.split_once(between)?;
            Some((number(first)?, number(second)?))
        };
        let Some((kind, rest)) = text.split_once(':') else {
            return Some(Self::Fixed(number(text)?));
        };
        match kind {
            "uniform" => two(rest, '-').filter(|(low, high)| low <= high).map(|(a, b)| Self::Uniform(a, b)),
            "exp" => Some(Self::Exponential(number(rest)?)),
            "normal" => two(rest, ',').map(|(mean, deviation)| Self::Normal(mean, deviation)),
            "pareto" => {
                let (least, shape) = rest.split_once(',')?;
                let shape: f64 = shape.parse().ok().filter(|shape| *shape > 0.0)?;
                Some(Self::Pareto(number(least)?, shape))
            }
            _ => None,
        }
    }

    /// Draws a value, 0 or more.
    pub fn draw(&self, random: &mut Prng) -> f64 {
        let value = match *self {
            Self::Fixed(value) => value,
            Self::Uniform(low, high) => low + unit(random) * (high - low),
            Self::Exponential(mean) => -mean * (1.0 - unit(random)).ln(),
            Self::Normal(mean, deviation) => mean + deviation * standard_normal(random),
            Self::Pareto(least, shape) => least * (1.0 - unit(random)).powf(-1.0 / shape),
        };
        value.max(0.0)
    }

    /// Above this hardly anything is drawn: what memory must be made for.
    pub fn likely_max(&self) -> f64 {
        match *self {
            Self::Fixed(value) => value,
            Self::Uniform(_, high) => high,
            Self::Exponential(mean) => mean * 20.0,
            Self::Normal(mean, deviation) => mean + 6.0 * deviation,
            Self::Pareto(least, shape) => least * 1e6f64.powf(1.0 / shape),
        }
    }
}

/// A number in 0 … 1, 1 excluded.
pub(crate) fn unit(random: &mut Prng) -> f64 {
    (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

/// Box and Muller (1958).
fn standard_normal(random: &mut Prng) -> f64 {
    (-2.0 * (1.0 - unit(random)).ln()).sqrt() * (core::f64::consts::TAU * unit(random)).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(text: &str) -> Option<Spread> {
        Spread::parse(text, |text| text.parse().ok())
    }

    /// Mean and median of many draws.
    fn middle(spread: Spread) -> (f64, f64) {
        let mut random = Prng::new(1);
        let mut draws: Vec<f64> = (0..100_000).map(|_| spread.draw(&mut random)).collect();
        draws.sort_by(f64::total_cmp);
        (draws.iter().sum::<f64>() / draws.len() as f64, draws[draws.len() / 2])
    }

    #[test]
    fn distributions_are_read() {
        assert_eq!(spread("20"), Some(Spread::Fixed(20.0)));
        assert_eq!(spread("uniform:1-5"), Some(Spread::Uniform(1.0, 5.0)));
        assert_eq!(spread("normal:20,5"), Some(Spread::Normal(20.0, 5.0)));
        assert_eq!(spread("pareto:5,1.5"), Some(Spread::Pareto(5.0, 1.5)));
        for wrong in ["", "x", "uniform:5-1", "uniform:5", "pareto:5,0", "pareto:5", "exp:", "zipf:1"] {
            assert_eq!(spread(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn draws_are_where_they_should_be() {
        let near = |got: f64, wanted: f64| assert!((got / wanted - 1.0).abs() < 0.02, "{got} {wanted}");
        near(middle(Spread::Uniform(10.0, 50.0)).0, 30.0);
        near(middle(Spread::Exponential(20.0)).0, 20.0);
        near(middle(Spread::Exponential(20.0)).1, 20.0 * core::f64::consts::LN_2);
        near(middle(Spread::Normal(20.0, 5.0)).0, 20.0);
        near(middle(Spread::Pareto(5.0, 2.0)).1, 5.0 * core::f64::consts::SQRT_2);
        assert_eq!(middle(Spread::Fixed(7.0)), (7.0, 7.0));
    }
}
