"""The settings of each subject: a record with a field for each variable."""
