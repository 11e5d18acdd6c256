//! Own names of single machines for a site: `NAME=SITE`.

use crate::form::given::Form;
use crate::form::origin::site_name;
use crate::problem::Wrong;

/// A name and the site that it stands for.
pub(crate) struct SiteAlias;

impl Form for SiteAlias {
    type Value = (String, String);

    fn read(text: &str) -> Result<(String, String), Wrong> {
        let instead = "write NAME=SITE, such as fra1.shop.example=shop.example";
        let (name, site) = text.split_once('=').ok_or_else(|| Wrong::new("names no site", instead))?;
        let (name, site) = (site_name(name)?, site_name(site)?);
        if name == "*" || site == "*" || name == site {
            return Err(Wrong::new("is no name of one machine for one site", instead));
        }
        Ok((name, site))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_for_another() {
        let read = SiteAlias::read("FRA1.shop.example=shop.example.").unwrap();
        assert_eq!(read, ("fra1.shop.example".to_owned(), "shop.example".to_owned()));
        for text in ["", "a", "a=", "=a", "*=a", "a=*", "a=a", "a=b=c", "a/b=c"] {
            assert!(SiteAlias::read(text).is_err(), "{text}");
        }
    }
}
