use super::text::{self, Complaint};

/// The longest address, in characters (RFC 5321, 4.5.3.1.3).
const MAX: usize = 254;

/// An e-mail address: kept as it was given, compared without case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email {
    given: String,
    key: String,
}

impl Email {
    /// Reads an address. It must hold an `@` with something on both sides and no white space;
    /// whether it can be delivered to is known only by sending mail.
    pub fn parse(given: &str) -> Result<Self, Complaint> {
        let given = text::line(given, MAX)?.trim();
        let (local, domain) = given.rsplit_once('@').ok_or(Complaint::Invalid)?;
        let spaced = given.chars().any(|c| c.is_whitespace() || c.is_control());
        if local.is_empty() || domain.is_empty() || spaced {
            return Err(Complaint::Invalid);
        }
        Ok(Self { given: given.to_owned(), key: Self::key_of(given) })
    }

    /// What two addresses that differ in case alone have in common.
    #[must_use]
    pub fn key_of(given: &str) -> String {
        given.trim().to_lowercase()
    }

    /// The address as its owner writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.given
    }

    /// The form that is unique among users.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_is_kept_for_showing_and_dropped_for_comparing() {
        let email = Email::parse(" Jake@Example.COM ").unwrap();
        assert_eq!((email.as_str(), email.key()), ("Jake@Example.COM", "jake@example.com"));
    }

    #[test]
    fn what_is_no_address_is_invalid() {
        for bad in ["jake", "@", "jake@", "@example.com", "ja ke@example.com", "a@b\nc"] {
            assert_eq!(Email::parse(bad), Err(Complaint::Invalid), "{bad:?}");
        }
        assert_eq!(Email::parse("  "), Err(Complaint::Blank));
    }
}
