//! An HTTP/1.1 message as a test looks at it. Not a strict reader: what it is given has passed the strict one.

/// A start line and fields, names in lower case.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) start: String,
    pub(crate) fields: Vec<(String, String)>,
}

/// A message that was read whole.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
}

impl Head {
    /// `bytes` end with the empty line.
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let text = std::str::from_utf8(bytes).unwrap();
        let mut lines = text.strip_suffix("\r\n\r\n").unwrap().split("\r\n");
        let start = lines.next().unwrap().to_owned();
        let fields = lines.map(|line| line.split_once(": ").unwrap_or_else(|| panic!("no field: {line:?}")));
        let fields = fields.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        Self { start, fields }
    }

    /// The values of a field, joined as RFC 9110 §5.3 reads them; `None` without the field.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        let values: Vec<&str> =
            self.fields.iter().filter(|field| field.0 == name).map(|field| field.1.as_str()).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// The field is there with this value, or is not there.
    #[track_caller]
    pub(crate) fn expect(&self, name: &str, value: Option<&str>) -> &Self {
        assert_eq!(self.field(name).as_deref(), value, "{name} of {self:#?}");
        self
    }

    pub(crate) fn status(&self) -> u16 {
        self.start.split(' ').nth(1).unwrap().parse().unwrap()
    }

    pub(crate) fn is_chunked(&self) -> bool {
        self.field("transfer-encoding").is_some_and(|coding| coding == "chunked")
    }

    pub(crate) fn content_length(&self) -> Option<usize> {
        self.field("content-length").map(|length| length.parse().unwrap())
    }
}

impl Message {
    /// The answer has this status.
    #[track_caller]
    pub(crate) fn expect_status(&self, status: u16) -> &Self {
        assert_eq!(self.head.status(), status, "{self:#?}\n{}", self.text());
        self
    }

    /// The message starts with this line.
    #[track_caller]
    pub(crate) fn expect_start(&self, start: &str) -> &Self {
        assert_eq!(self.head.start, start, "{self:#?}");
        self
    }

    /// The field is there with this value, or is not there.
    #[track_caller]
    pub(crate) fn expect(&self, name: &str, value: Option<&str>) -> &Self {
        self.head.expect(name, value);
        self
    }

    /// The body is this text.
    #[track_caller]
    pub(crate) fn expect_body(&self, body: &str) -> &Self {
        assert_eq!(self.text(), body, "{self:#?}");
        self
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
