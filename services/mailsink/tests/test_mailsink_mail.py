"""Reading mail never fails, whatever was sent: a sink that chokes on a mail would make its sender try for ever."""

import json

from hypothesis import example, given
from hypothesis import strategies as st

from mailsink.mail import read_body, summarise

HEADER_NAMES = st.sampled_from([b"From", b"To", b"Subject", b"Message-ID", b"Date", b"Content-Type", b"Reply-To"])
VALUES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [
            b"=?utf-8?q?caf=C3=A9?= <a@example.com>",
            b"=?utf-8?b?x?=",
            b"=?\xff?q?x?=",
            b"multipart/mixed; boundary=x",
            b"text/html; charset=\xff",
            b"text/plain; charset*=utf-8''%ff",
            b"Thu, 99 Xxx 99999 99:99:99 +9999",
            b"a@example.com, (",
        ]
    ),
)
MAILS = st.builds(
    lambda headers, body: b"\r\n".join([name + b": " + value for name, value in headers]) + b"\r\n\r\n" + body,
    st.lists(st.tuples(HEADER_NAMES, VALUES), max_size=6),
    st.one_of(st.binary(max_size=80), st.just(b"--x\r\nContent-Type: text/plain; charset=hex\r\n\r\nzz\r\n--x--")),
)


@given(raw=st.one_of(MAILS, st.binary(max_size=200)), recipients=st.lists(st.text(max_size=10), max_size=2))
@example(raw=b"Date: Fri, 31 Dec 9999 23:59:59 -2300\r\n\r\n", recipients=[])
def test_any_bytes_can_be_summarised_read_and_sent_as_json(raw: bytes, recipients: list[str]) -> None:
    summary = summarise(raw, recipients)
    for shown in (summary.message_id, summary.subject, summary.addresses, read_body(raw)):
        json.dumps(shown, ensure_ascii=False).encode()
