from prometheus_client import Counter, Histogram

webhook_answers = Counter(
    "tradedesk_webhook_answers", "Answers of the webhook by HTTP status and word.", ["http", "status"]
)
webhook_seconds = Histogram(
    "tradedesk_webhook_seconds",
    "Time from receipt of an alert to its answer.",
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
decisions = Counter("tradedesk_decisions", "Decisions by action and reason.", ["action", "reason"])
orders = Counter("tradedesk_orders", "Orders by the status they had when the alert was answered.", ["status"])
