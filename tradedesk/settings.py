import os
from collections import ChainMap
from pathlib import Path

import environ

from tradedesk import aws_secrets, desk_file, logs
from tradedesk.theme import UNFOLD  # noqa: F401 - Unfold looks for it here

BASE_DIR = Path(__file__).resolve().parent.parent
VERSION = "0.1.0"

env = environ.Env()
environ.Env.read_env(BASE_DIR / ".env")
DESK_SECRET_ID = env.str("DESK_SECRET_ID", default="")
if DESK_SECRET_ID:
    # Not into the environment, which whatever this process starts would see.
    env.ENVIRON = ChainMap(os.environ, dict(aws_secrets.read(DESK_SECRET_ID)))
VAR_DIR = Path(env.str("DESK_VAR", default=str(BASE_DIR / "var"))).resolve()
DESK = desk_file.read(VAR_DIR / "desk.json")

# `make run` says so; everything else is taken for a server that the world can reach.
LOCAL = env.bool("DESK_LOCAL", default=bool(DESK))

DEBUG = False
SECRET_KEY = env.str("SECRET_KEY", default="")
if not SECRET_KEY and LOCAL and (VAR_DIR / "secret_key").exists():
    SECRET_KEY = (VAR_DIR / "secret_key").read_text().strip()
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
PATH_PREFIX = env.str("PATH_PREFIX", default="")
FORCE_SCRIPT_NAME = PATH_PREFIX or None

INSTALLED_APPS = [
    "tradedesk.apps.ThemeConfig",
    "tradedesk.apps.PanelConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "knox",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "tradedesk.apps.TradeDeskConfig",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "tradedesk.csp.content_security_policy",
]
ROOT_URLCONF = "tradedesk.urls"
WSGI_APPLICATION = "tradedesk.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "tradedesk.admin.header.panel",
            ],
            "libraries": {"panel": "tradedesk.admin.tags"},
        },
    },
]

DATABASE_URL = env.str(
    "DATABASE_URL", default=DESK.get("database_url", f"sqlite:///{VAR_DIR / 'desk.sqlite3'}")
)
DATABASES = {"default": env.db_url_config(DATABASE_URL)}
DATABASES["default"]["CONN_MAX_AGE"] = None
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # IMMEDIATE takes the write lock when a transaction begins: claims to send and the kill switch are
    # then ordered by the database, as they are by row locks on PostgreSQL.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 2,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
    }
else:
    if DESK_SECRET_ID:
        DATABASES["default"]["ENGINE"] = "tradedesk.stores.postgres"
    DATABASES["default"].setdefault("OPTIONS", {})
    DATABASES["default"]["OPTIONS"] |= {
        "connect_timeout": 2,
        # The server binds the values, so that it can keep a plan for each statement.
        "server_side_binding": True,
        "prepare_threshold": env.int("DATABASE_PREPARE_THRESHOLD", default=1) or None,
        "options": "-c statement_timeout=5000 -c lock_timeout=3000",
    }

REDIS_URL = env.str("REDIS_URL", default=DESK.get("redis_url", "redis://127.0.0.1:6379/0"))
CACHES = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": REDIS_URL,
        # Positions must never expire: an absent key is read as "unknown", not as "flat".
        "TIMEOUT": None,
        "KEY_PREFIX": "tradedesk",
        "OPTIONS": {
            "SERIALIZER": "django_redis.serializers.json.JSONSerializer",
            "SOCKET_CONNECT_TIMEOUT": 0.3,
            "SOCKET_TIMEOUT": 0.5,
        },
    },
}

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL, LOGIN_REDIRECT_URL = "admin:login", "admin:index"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not LOCAL
SECURE_PROXY_SSL_HEADER = (
    ("HTTP_X_FORWARDED_PROTO", "https") if env.bool("BEHIND_TLS_PROXY", default=False) else None
)
X_FRAME_OPTIONS = "DENY"

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
STATIC_URL = f"{PATH_PREFIX}/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "tradedesk.files.PanelFiles"},
}
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "tradedesk.api.auth.ApiToken",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAdminUser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_PAGINATION_CLASS": "tradedesk.api.pagination.NewestFirst",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "tradedesk.api.errors.one_shape",
    "COERCE_DECIMAL_TO_STRING": True,
}
REST_KNOX = {"TOKEN_TTL": None, "AUTH_HEADER_PREFIX": "Token", "AUTO_REFRESH": False}
SPECTACULAR_SETTINGS = {
    "TITLE": "TradeDesk",
    "DESCRIPTION": "Bots, alerts, decisions, orders, fills, incidents and the kill switch of one desk.",
    "VERSION": VERSION,
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAdminUser"],
    "SCHEMA_PATH_PREFIX": "/api/v1/",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {"Direction": "tradedesk.api.serializers.DIRECTIONS"},
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "tradedesk.api.schema.add_errors",
    ],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
# A task is acknowledged when it starts: one that dies is done again by the next tick, not by redelivery.
CELERY_TASK_ACKS_LATE = False
# Nor is one delivered again that a worker had fetched: where Redis goes away a worker would end over
# putting it back.
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "ack_emulation": False,
    # A Redis that vanished without a word would else be waited for as long as TCP does: for hours.
    "socket_connect_timeout": 2,
    "socket_timeout": 5,
    "health_check_interval": 5,
}
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# Seconds, for workers with processes. With threads each task is bounded by its own time-outs.
CELERY_TASK_SOFT_TIME_LIMIT, CELERY_TASK_TIME_LIMIT = 300, 330
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR_DIR / "celerybeat-schedule")
CELERY_BEAT_SCHEDULE = {
    "go_on_flattening": {
        "task": "tradedesk.tasks.go_on_flattening",
        "schedule": 5.0,
        "options": {"expires": 5},
    },
    "recover": {"task": "tradedesk.tasks.recover", "schedule": 15.0, "options": {"expires": 15}},
    "reconcile": {"task": "tradedesk.tasks.reconcile", "schedule": 30.0, "options": {"expires": 30}},
    "send_notices": {"task": "tradedesk.tasks.send_notices", "schedule": 5.0, "options": {"expires": 5}},
    "flat_by": {"task": "tradedesk.tasks.flat_by", "schedule": 20.0, "options": {"expires": 20}},
    "watch_alerts": {"task": "tradedesk.tasks.watch_alerts", "schedule": 60.0, "options": {"expires": 60}},
    "watch_rolls": {"task": "tradedesk.tasks.watch_rolls", "schedule": 900.0, "options": {"expires": 900}},
    "renew_tokens": {"task": "tradedesk.tasks.renew_tokens", "schedule": 120.0, "options": {"expires": 120}},
    "refresh_costs": {
        "task": "tradedesk.tasks.refresh_costs",
        "schedule": 21600.0,
        "options": {"expires": 900},
    },
    "read_walls": {"task": "tradedesk.tasks.read_walls", "schedule": 21600.0, "options": {"expires": 900}},
    "prune": {"task": "tradedesk.tasks.prune", "schedule": 3600.0, "options": {"expires": 900}},
    "write_statements": {
        "task": "tradedesk.tasks.write_statements",
        "schedule": 300.0,
        "options": {"expires": 300},
    },
    "watch_calendar": {
        "task": "tradedesk.tasks.watch_calendar",
        "schedule": 3600.0,
        "options": {"expires": 900},
    },
}

PAPER_BROKER_URL = env.str(
    "PAPER_BROKER_URL", default=DESK.get("paper_broker_url", "http://127.0.0.1:9100/v1")
)
PAPER_BROKER_USER = env.str("PAPER_BROKER_USER", default="paper")
PAPER_BROKER_PASSWORD = env.str("PAPER_BROKER_PASSWORD", default="paper")
PAPER_BROKER_ACCOUNT = env.str("PAPER_BROKER_ACCOUNT", default="")

# The addresses TradingView sends from; an empty list lets every address in, for a desk at home.
TRADINGVIEW_ADDRESSES = ["52.89.214.238", "34.212.75.30", "54.218.53.128", "52.32.178.7"]
WEBHOOK_ALLOWED_ADDRESSES = env.list(
    "WEBHOOK_ALLOWED_ADDRESSES", default=[] if LOCAL else TRADINGVIEW_ADDRESSES
)
TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", default=0)
WEBHOOK_RATE_PER_MINUTE = env.int("WEBHOOK_RATE_PER_MINUTE", default=120)
WEBHOOK_ANSWER_WITHIN_S = 2.5
MAX_ALERT_AGE_S = env.int("MAX_ALERT_AGE_S", default=60)
EVENT_WINDOW_H = env.int("EVENT_WINDOW_H", default=24)
# The name of this region, where a desk runs in two: the one that holds the lease sends orders.
DESK_REGION = env.str("DESK_REGION", default="")
KEEP_HISTORY_DAYS = env.int("KEEP_HISTORY_DAYS", default=0)

# Addresses as apprise writes them, secrets in them. Separated by spaces: a comma may stand in one.
NOTIFY_URLS = env.str("NOTIFY_URLS", default="").split()

LOG_LEVEL = env.str("LOG_LEVEL", default="INFO")
LOGGING_CONFIG = None
logs.configure(LOG_LEVEL, as_json=not LOCAL)

LAMBDA_FUNCTION = env.str("AWS_LAMBDA_FUNCTION_NAME", default="")
DESK_NAME = env.str("DESK_NAME", default=LAMBDA_FUNCTION or "tradedesk")
# On AWS figures go into the log, where CloudWatch finds them; elsewhere Prometheus asks for them.
METRICS_IN_LOG = env.bool("METRICS_IN_LOG", default=bool(LAMBDA_FUNCTION))
METRICS_SINK = "tradedesk.embedded_metrics.write" if METRICS_IN_LOG else "tradedesk.prometheus.write"
if METRICS_IN_LOG:
    CELERY_BEAT_SCHEDULE["measure"] = {
        "task": "tradedesk.tasks.measure",
        "schedule": 60.0,
        "options": {"expires": 60},
    }
