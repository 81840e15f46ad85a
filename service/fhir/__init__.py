"""FHIR R4 out: every score as a RiskAssessment, for records that speak FHIR."""
