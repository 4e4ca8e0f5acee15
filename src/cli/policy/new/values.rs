//! Values of flags that need reading.

use std::str::FromStr;

use crate::domain::{Class, Method};

/// Methods and classes, as `totp,phishing_resistant`; `any` is any second factor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Proofs(pub(super) Vec<&'static str>);

impl FromStr for Proofs {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let one = |word: &str| {
            let class = Class::ALL.into_iter().map(Class::code).find(|code| *code == word);
            match word {
                "any" => Ok(Class::SecondFactor.code()),
                _ => Method::parse(word).map(Method::code).or(class).ok_or_else(|| nearest(word)),
            }
        };
        text.split(',').map(|word| one(word.trim())).collect::<Result<_, _>>().map(Self)
    }
}

fn nearest(word: &str) -> String {
    let known = Method::ALL.into_iter().map(Method::code).chain(Class::ALL.into_iter().map(Class::code));
    let close = known.map(|code| (strsim::damerau_levenshtein(code, word), code)).min();
    match close.filter(|(distance, _)| *distance <= 3) {
        Some((_, code)) => format!("`{word}` is no method; did you mean `{code}`?"),
        None => format!("`{word}` is no method"),
    }
}

/// Weekdays, 1 = Monday.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Days {
    /// From one to another.
    Range(u8, u8),
    /// These.
    Some(Vec<u8>),
}

const NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl FromStr for Days {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let day = |word: &str| {
            let at = NAMES.iter().position(|name| *name == word.trim().to_lowercase());
            let day = at.and_then(|at| u8::try_from(at + 1).ok());
            day.ok_or_else(|| format!("`{word}` is no day: write `mon-fri` or `mon,wed`"))
        };
        match text.split_once('-') {
            Some((from, to)) => match (day(from)?, day(to)?) {
                (from, to) if from < to => Ok(Self::Range(from, to)),
                _ => Err("the first day comes after the last: list them, as `sun,mon`".to_owned()),
            },
            None => text.split(',').map(day).collect::<Result<_, _>>().map(Self::Some),
        }
    }
}

impl Days {
    /// As Cedar asks for them.
    pub(super) fn condition(&self) -> String {
        match self {
            Self::Range(from, to) => format!("context.time.weekday >= {from} && context.time.weekday <= {to}"),
            Self::Some(days) => {
                let days: Vec<String> = days.iter().map(ToString::to_string).collect();
                format!("[{}].contains(context.time.weekday)", days.join(", "))
            }
        }
    }

    pub(super) fn contains(&self, day: u8) -> bool {
        match self {
            Self::Range(from, to) => (*from..=*to).contains(&day),
            Self::Some(days) => days.contains(&day),
        }
    }

    pub(super) fn words(&self) -> String {
        let name = |day: &u8| {
            let short = NAMES.get(usize::from(*day).saturating_sub(1)).copied().unwrap_or_default();
            let mut letters = short.chars();
            letters.next().map_or_else(String::new, |first| format!("{}{}", first.to_uppercase(), letters.as_str()))
        };
        match self {
            Self::Range(from, to) => format!("{} to {}", name(from), name(to)),
            Self::Some(days) => days.iter().map(name).collect::<Vec<_>>().join(", "),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proofs_and_days_are_read_or_refused_with_a_hint() {
        assert_eq!("any".parse(), Ok(Proofs(vec!["second_factor"])));
        assert_eq!("totp, phishing_resistant".parse(), Ok(Proofs(vec!["totp", "phishing_resistant"])));
        assert_eq!("topt".parse::<Proofs>().unwrap_err(), "`topt` is no method; did you mean `totp`?");
        assert_eq!("mon-fri".parse(), Ok(Days::Range(1, 5)));
        assert_eq!("Mon,wed".parse(), Ok(Days::Some(vec![1, 3])));
        for wrong in ["mo-fr", "fri-mon", ""] {
            assert!(wrong.parse::<Days>().is_err(), "{wrong}");
        }
    }
}
