//! Sites and where they go: `SITE=ROUTE[,ROUTE…]`, `SITE=http://HOST[:PORT]`, `SITE=tcp://HOST:PORT`.

use crate::form::given::Form;
use crate::form::origin::{OriginTarget, target};
use crate::problem::Wrong;

/// A site of a front-end.
pub(crate) struct Site;

/// What it becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SiteWay {
    /// The site's name in lower case, or `*`.
    pub(crate) site: String,
    /// Where its exchanges go.
    pub(crate) way: WayText,
}

/// Where exchanges go, names not yet looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WayText {
    /// Over the routes of these names: the first that is up.
    Routes(Vec<String>),
    /// Straight to an origin.
    Origin(OriginTarget),
}

impl Form for Site {
    type Value = SiteWay;

    fn read(text: &str) -> Result<SiteWay, Wrong> {
        let (site, way) = text.split_once('=').ok_or_else(|| {
            Wrong::new("has no `=`", "write SITE=ROUTE or SITE=http://HOST:PORT, such as shop.example=east")
        })?;
        let site = crate::form::origin::site_name(site)?;
        let way = if way.contains("://") {
            WayText::Origin(target(way)?)
        } else {
            let names = way.split(',').map(crate::form::route::route_name).collect::<Result<Vec<_>, _>>()?;
            if (1..names.len()).any(|index| names[..index].contains(&names[index])) {
                return Err(Wrong::new("names a route twice", "name each once, the one to prefer first"));
            }
            WayText::Routes(names)
        };
        Ok(SiteWay { site, way })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_has_a_route_or_an_origin() {
        let read = |text| Site::read(text).map(|site| site.way);
        assert_eq!(read("shop.example=east"), Ok(WayText::Routes(vec!["east".into()])));
        assert_eq!(read("a=east,west"), Ok(WayText::Routes(vec!["east".into(), "west".into()])));
        assert!(matches!(read("*=http://[::1]:80"), Ok(WayText::Origin(_))));
        for text in [
            "shop.example",
            "=east",
            "shop.example=",
            "shop.example=ea st",
            "a=b=c",
            "a=ftp://x",
            "a=b,",
            "a=b,b",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
