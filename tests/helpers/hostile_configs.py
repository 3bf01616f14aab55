"""Configurations that mean harm: nesting, copies of copies, sheer size, bytes that are no text."""

# ruff: noqa: E501  (cases are data, one line each)

import gzip

BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12)
)
JOB_BOMB = (
    "scrape_configs:\n- &j\n  job_name: a\n  relabel_configs: &r ["
    + "{target_label: x}," * 500
    + "]\n"
    + "- *j\n" * 5000
)

CASES: dict[str, bytes] = {
    "100,000 lists": b"[" * 100_000,
    "100,000 lists in blocks": b"- " * 100_000,
    "100,000 maps": b"{a: " * 100_000,
    "100,000 keys": b"? " * 100_000,
    "laughs": BOMB.encode() + b"scrape_configs: *a11\n",
    "laughs in a free field": BOMB.encode()
    + b"scrape_configs: [{job_name: a, oauth2: {client_id: a, token_url: b, claims: {a: *a11}}}]",
    "many copies of a large job": JOB_BOMB.encode(),
    "15 MB of lines": b"a: b\n" * 3_000_000,
    "50 MB in one line": b"a: " + b"x" * 50_000_000,
    "50 MB of lines": b"a: b\n" * 10_000_000,
    "a gzip that inflates to 100 MB": gzip.compress(b"\n" * 100_000_000, 1),
    "no UTF-8": b"scrape_configs:\n- job_name: \xff\xfe\n",
    "NUL": b"scrape_configs: \x00",
    "an anchor in itself": b"scrape_configs: &a [*a]",
    "an anchor in itself as a map": b"global: &a {external_labels: *a}",
    "a merge with itself": b"scrape_configs:\n- &a\n  <<: *a\n",
    "deep claims": b"scrape_configs: [{job_name: a, oauth2: {claims: " + b"{a: " * 900 + b"}" * 903,
    "a long regex": b"scrape_configs: [{job_name: a, relabel_configs: [{regex: '" + b"(" * 50_000 + b"', target_label: a}]}]",
    "a regex of nested repetitions": b"scrape_configs: [{job_name: a, relabel_configs: [{regex: '((((a{1000}){1000}){1000}){1000})', target_label: a}]}]",
    "a number of many digits": b"global: {sample_limit: " + b"9" * 100_000 + b"}",
    "a duration of many digits": b"global: {scrape_interval: " + b"9" * 100_000 + b"s}",
}  # fmt: skip
