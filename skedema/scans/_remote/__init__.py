"""Scans at addresses, such as s3://bucket/scan.nii.gz: asked about, fetched, and kept as copies."""
