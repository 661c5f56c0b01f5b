"""The review of rubrics by clinicians: each by themselves, then what they agree on, then an adjudicator for the rest."""
