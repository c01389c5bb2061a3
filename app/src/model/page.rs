use super::text::Complaint;

/// The largest page that any setting allows; the statements are planned for it.
const MOST: u32 = 100;
/// The page that is served when none is asked for.
const DEFAULT: u32 = 20;

/// The largest page that is served, in articles: a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageSize(u32);

impl PageSize {
    /// Accepts 1 to 100.
    pub fn new(most: u32) -> Result<Self, String> {
        match most {
            1..=MOST => Ok(Self(most)),
            _ => Err(format!("{most} is not between 1 and {MOST}")),
        }
    }

    /// The size in articles.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }
}

impl Default for PageSize {
    fn default() -> Self {
        Self(MOST)
    }
}

/// Which articles of a list are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Page {
    /// How many, from 1 to the largest page served.
    pub limit: i64,
    /// How many newer ones to pass over, from 0.
    pub offset: i64,
}

impl Page {
    /// A limit as it stands in a query; more than `most` is served as `most`.
    pub fn limit(given: Option<&str>, most: PageSize) -> Result<i64, Complaint> {
        let asked = match given {
            None => u64::from(DEFAULT),
            Some(text) => number(text)?,
        };
        if asked == 0 {
            return Err(Complaint::Invalid);
        }
        let asked = i64::try_from(asked).map_err(|_| Complaint::Invalid)?;
        Ok(asked.min(most.get().into()))
    }

    /// An offset as it stands in a query.
    pub fn offset(given: Option<&str>) -> Result<i64, Complaint> {
        let offset = given.map_or(Ok(0), number)?;
        // Half the range: limit and offset are added up in SQL.
        i64::try_from(offset).ok().filter(|offset| *offset <= i64::MAX / 2).ok_or(Complaint::Invalid)
    }
}

/// Digits alone: `+5` and ` 5` are refused, as they are in JSON.
fn number(text: &str) -> Result<u64, Complaint> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Complaint::Invalid);
    }
    text.parse().map_err(|_| Complaint::Invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_have_a_default_and_a_maximum() {
        let most = PageSize::new(50).unwrap();
        assert_eq!(Page::limit(None, most), Ok(20));
        assert_eq!(Page::limit(Some("7"), most), Ok(7));
        assert_eq!(Page::limit(Some("51"), most), Ok(50));
        assert_eq!(Page::limit(None, PageSize::new(5).unwrap()), Ok(5));
        for bad in ["0", "-1", "+1", "1.5", "", " 1", "ten", "9223372036854775808", "99999999999999999999"] {
            assert_eq!(Page::limit(Some(bad), most), Err(Complaint::Invalid), "{bad:?}");
        }
        assert!(PageSize::new(0).is_err() && PageSize::new(101).is_err());
    }

    #[test]
    fn an_offset_can_be_added_to_a_limit() {
        assert_eq!(Page::offset(None), Ok(0));
        assert_eq!(Page::offset(Some("10000")), Ok(10_000));
        assert_eq!(Page::offset(Some("9223372036854775807")), Err(Complaint::Invalid));
        assert_eq!(Page::offset(Some("-1")), Err(Complaint::Invalid));
    }
}
