"""Networks with their preprocessing inside: built, trained, transferred from published weights, wrapped."""
