import hashlib
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Credentials:
    """What Tradovate asks of a login. `cid` and `secret` are the API key, 0 and empty where there is none.

    `device_id` must stay the same for one installation: live orders are refused when it changes.
    """

    name: str
    password: str = field(repr=False)
    app_id: str = "TradeDesk"
    app_version: str = "1.0"
    device_id: str = ""
    cid: int = 0
    secret: str = field(default="", repr=False)

    @property
    def fingerprint(self) -> str:
        """Return what tells corrected credentials from refused ones: too little of a digest to guess by."""
        text = f"{self.password}|{self.cid}|{self.secret}|{self.app_id}"
        return hashlib.sha256(text.encode()).hexdigest()[:4]

    def request_body(self) -> dict[str, object]:
        """Return the body of a login. `cid` is a number, as in the vendor's examples."""
        body: dict[str, object] = {
            "name": self.name,
            "password": self.password,
            "appId": self.app_id,
            "appVersion": self.app_version,
        }
        if self.device_id:
            body["deviceId"] = self.device_id
        if self.cid:
            body |= {"cid": self.cid, "sec": self.secret}
        return body
