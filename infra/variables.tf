variable "account_id" {
  description = "Number of the AWS account. Terraform refuses to work in any other."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "An AWS account has 12 digits."
  }
}

variable "region" {
  description = "Region of everything."
  type        = string
  default     = "us-east-1"
}

variable "zones" {
  description = "Two availability zones of the region."
  type        = list(string)
  default     = ["us-east-1a", "us-east-1b"]

  validation {
    condition     = length(distinct(var.zones)) == 2
    error_message = "Name two different zones."
  }

  validation {
    condition     = alltrue([for zone in var.zones : startswith(zone, var.region)])
    error_message = "Name zones of the region."
  }
}

variable "name" {
  description = "First half of every name; project_name in zappa_settings.json."
  type        = string
  default     = "tradedesk"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,19}$", var.name))
    error_message = "Use 2 to 20 lower case letters, digits and hyphens."
  }
}

variable "stage" {
  description = "Second half of every name; the stage in zappa_settings.json."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,15}$", var.stage))
    error_message = "Use 2 to 16 lower case letters and digits."
  }
}

variable "panel_addresses" {
  description = "Networks that reach panel, API and /halt/, in CIDR form. 0.0.0.0/0 leaves the login as the only wall."
  type        = list(string)

  validation {
    condition     = length(var.panel_addresses) > 0
    error_message = "Name at least one network, or nobody reaches the kill switch."
  }
}

variable "alarm_email" {
  description = "Address that alarms go to. AWS asks it to confirm the subscription."
  type        = string
}

variable "logins" {
  description = "Names of the Tradovate logins, as accounts give them in `credentials`; one secret each."
  type        = set(string)
  default     = ["TRADOVATE"]
}

variable "nat" {
  description = "Way out to the internet: gateway (managed by AWS) or instance (cheaper, a single machine)."
  type        = string
  default     = "gateway"

  validation {
    condition     = contains(["gateway", "instance"], var.nat)
    error_message = "Choose gateway or instance."
  }
}

variable "redis_node_type" {
  description = "Size of the Redis node."
  type        = string
  default     = "cache.t3.small"

  validation {
    condition     = can(regex("^cache\\.(t3|t4g|m7g|r7g)\\.(micro|small|medium|large)$", var.redis_node_type))
    error_message = "Use a node type such as cache.t3.small."
  }
}

variable "database_instance_class" {
  description = "Size of the database."
  type        = string
  default     = "db.t4g.micro"

  validation {
    condition     = can(regex("^db\\.(t4g|m7g|r7g)\\.(micro|small|medium|large)$", var.database_instance_class))
    error_message = "Use an instance class such as db.t4g.micro."
  }
}

variable "database_multi_az" {
  description = "Keep a second database in the other zone that takes over; doubles its price."
  type        = bool
  default     = false
}

variable "log_retention_days" {
  description = "Days that logs are kept."
  type        = number
  default     = 30
}

variable "pair" {
  description = "This region's part in a desk of two (docs/runbooks/region-failover.md); null: one region. `database` and `key`, the key's ARN, are for the one that waits: what its replica follows."
  type = object({
    domain   = string
    zone_id  = string
    role     = string
    database = optional(string)
    key      = optional(string)
  })
  default = null

  validation {
    condition     = var.pair == null ? true : contains(["PRIMARY", "SECONDARY"], var.pair.role)
    error_message = "The role is PRIMARY or SECONDARY."
  }

  validation {
    condition     = try((var.pair.database == null) == (var.pair.key == null), true)
    error_message = "Name the database to follow and the key together."
  }
}

variable "worker_tag" {
  description = "Tag of the image that the Celery service runs; null: no service, Zappa's events do its work."
  type        = string
  default     = null
}

# Values that no file holds: set TF_VAR_… before plan and apply.

variable "secrets_version" {
  description = "Raise it by one to have the ephemeral values below written anew."
  type        = number
  default     = 1
}

variable "secret_key" {
  description = "Django's SECRET_KEY."
  type        = string
  sensitive   = true
  ephemeral   = true

  validation {
    condition     = length(var.secret_key) >= 50
    error_message = "Use at least 50 characters."
  }
}

variable "database_password" {
  description = "Password of the database's only user."
  type        = string
  sensitive   = true
  ephemeral   = true

  validation {
    condition     = can(regex("^[A-Za-z0-9]{32,64}$", var.database_password))
    error_message = "Use 32 to 64 letters and digits."
  }
}

variable "redis_token" {
  description = "Password of Redis. ElastiCache takes it only by way of the state."
  type        = string
  sensitive   = true

  validation {
    condition     = can(regex("^[A-Za-z0-9]{32,64}$", var.redis_token))
    error_message = "Use 32 to 64 letters and digits."
  }
}

variable "notify_urls" {
  description = "NOTIFY_URLS of the desk; empty: no notices but the alarms."
  type        = string
  default     = ""
  sensitive   = true
  ephemeral   = true
}
