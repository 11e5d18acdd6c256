//! Messages on which two readers could disagree, and the status that we answer. Data only.
