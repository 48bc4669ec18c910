# Bucket, key and region come from backend.hcl. The state holds the Redis token and the API key, so it is
# encrypted and readable by whoever may apply, nobody else.
terraform {
  backend "s3" {
    encrypt      = true
    use_lockfile = true
  }
}
