"""A folder's notifications: what Cloud Storage tells Pub/Sub about a bucket, told about a folder."""
