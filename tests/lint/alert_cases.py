"""For each alert figures at which it fires, when, and with which labels, and figures at which it must not.

Figures as promtool writes them: "0+5x40" is 0, 5, 10, ... every 15 s.
"""


def case(fires, quiet, at="15m", labels=None):
    return {"fires": fires, "quiet": quiet if isinstance(quiet, list) else [quiet], "at": at, "labels": labels or {}}


def of(job):
    return f'job="{job}",instance="a"'


def buckets(name, job, slow, fast):
    """Of a histogram with two bounds: how many a step are above the first, and within it."""
    bound = {"fairlead_loop_stall_seconds": ("0.01", "0.5"), "fairlead_http_request_seconds": ("0.1", "5"),
             "fairlead_redis_command_seconds": ("0.01", "0.25"), "fairlead_pg_query_seconds": ("0.1", "2.5"),
             "fairlead_stream_lag_seconds": ("0.1", "5")}[name]
    more = {"fairlead_http_request_seconds": ',method="GET",route="/x"',
            "fairlead_stream_lag_seconds": ',stage="all"'}.get(name, "")
    series = {bound[0]: fast, bound[1]: fast + slow, "+Inf": fast + slow}
    return {f'{name}_bucket{{{of(job)}{more},le="{le}"}}': f"0+{n}x80" for le, n in series.items()}


API, STREAMER, SCHEDULER, WORKER = (of("fairlead-" + name) for name in ("api", "streamer", "scheduler", "worker"))
A_JOB = {"job": "fairlead-api"}
A_PROCESS = {"job": "fairlead-api", "instance": "a"}


def requests(status_class, each, route="/x"):
    return {f'fairlead_http_requests_total{{{API},method="GET",route="{route}",class="{status_class}"}}': f"0+{each}x80"}


def redis_errors(error, each):
    return {f'fairlead_redis_errors_total{{{API},error="{error}"}}': f"0+{each}x80",
            f"fairlead_redis_commands_total{{{API}}}": "0+100x80"}


def finished(failed, completed):
    return {f'fairlead_sessions_finished_total{{{SCHEDULER},state="failed"}}': f"0+{failed}x80",
            f'fairlead_sessions_finished_total{{{SCHEDULER},state="completed"}}': f"0+{completed}x80"}


def starts(refused, ok):
    return {f'fairlead_agent_starts_total{{{WORKER},agent="claude",result="INVALID"}}': f"0+{refused}x80",
            f'fairlead_agent_starts_total{{{WORKER},agent="claude",result="ok"}}': f"0+{ok}x80"}


def renewals(refused, ok):
    return {f'fairlead_worker_renewals_total{{{WORKER},result="TIMEOUT"}}': f"0+{refused}x80",
            f'fairlead_worker_renewals_total{{{WORKER},result="ok"}}': f"0+{ok}x80"}


def appended(each, archived):
    return {f"fairlead_events_appended_total{{{WORKER}}}": f"0+{each}x120",
            f"fairlead_archive_events_total{{{SCHEDULER}}}": f"0+{archived}x120"}


def slots(free, ready):
    return {f'fairlead_fleet_slots{{{SCHEDULER},state="free"}}': f"{free}x160",
            f'fairlead_queue_depth{{{SCHEDULER},state="ready"}}': f"{ready}x160"}


def pool(used, waited):
    return {f"fairlead_pg_pool_in_use{{{API}}}": f"{used}x80", f"fairlead_pg_pool_max{{{API}}}": "10x80",
            f"fairlead_pg_pool_wait_seconds_sum{{{API}}}": f"0+{waited}x80"}


def gauge(name, whose, fires, quiet, **more):
    """Above and below a bound for the whole time."""
    return case({f"{name}{{{whose}}}": f"{fires}x160"}, {f"{name}{{{whose}}}": f"{quiet}x160"}, **more)


def grows(name, whose, fires, quiet=0, **more):
    """By so much in every 15 s."""
    return case({f"{name}{{{whose}}}": f"0+{fires}x160"}, {f"{name}{{{whose}}}": f"5+{quiet}x160"}, **more)


CASES = {
    "FairleadDown": case({f"up{{{API}}}": "0x20"}, [{f"up{{{API}}}": "1x20"}, {'up{job="other",instance="a"}': "0x20"}],
                         at="3m", labels=A_PROCESS),
    "FairleadNotReady": gauge("fairlead_ready", API, 0, 1, at="5m", labels=A_PROCESS),
    "FairleadRestarts": case({f"process_start_time_seconds{{{API}}}": "100 200 300 400 500x20"},
                             {f"process_start_time_seconds{{{API}}}": "100 200x20"}, at="5m", labels=A_PROCESS),
    "FairleadLoopStalls": case(buckets("fairlead_loop_stall_seconds", "fairlead-api", 5, 10),
                               buckets("fairlead_loop_stall_seconds", "fairlead-api", 1, 100), labels=A_PROCESS),
    "FairleadBusy": grows("process_cpu_seconds_total", API, 14, 10, at="20m", labels=A_PROCESS),
    "FairleadFilesScarce": case({f"process_open_fds{{{API}}}": "950x80", f"process_max_fds{{{API}}}": "1000x80"},
                                {f"process_open_fds{{{API}}}": "500x80", f"process_max_fds{{{API}}}": "1000x80"},
                                labels=A_PROCESS),
    "FairleadLogLinesLost": grows("fairlead_log_dropped_total", API, 1, labels=A_PROCESS),
    "FairleadErrors": case({**requests("2xx", 900), **requests("5xx", 20)},
                           [{**requests("2xx", 900), **requests("5xx", 2)}, requests("4xx", 900),
                            {**requests("2xx", 900), **requests("5xx", 100, "/readyz")}], labels=A_JOB),
    "FairleadSlow": case(buckets("fairlead_http_request_seconds", "fairlead-api", 5, 100),
                         [buckets("fairlead_http_request_seconds", "fairlead-api", 1, 1000),
                          buckets("fairlead_http_request_seconds", "fairlead-streamer", 5, 100)], at="20m", labels=A_JOB),
    "FairleadTurnsAway": grows("fairlead_http_refused_total", API + ',reason="UNAVAILABLE"', 30, 1, labels=A_JOB),
    "FairleadLimitsAlone": grows("fairlead_rate_alone_total", API, 3),
    "FairleadCertificateEnds": case({f"fairlead_tls_certificate_end_seconds{{{API}}}": "500000x80"},
                                    [{f"fairlead_tls_certificate_end_seconds{{{API}}}": "700000x80"},
                                     {f"fairlead_tls_certificate_end_seconds{{{API}}}": "0x80"}], labels=A_PROCESS),
    "FairleadRedisAway": gauge("fairlead_redis_connected", API, 0, 1, at="2m", labels=A_PROCESS),
    "FairleadRedisSlow": case(buckets("fairlead_redis_command_seconds", "fairlead-api", 5, 100),
                              buckets("fairlead_redis_command_seconds", "fairlead-api", 1, 1000), labels=A_JOB),
    "FairleadRedisErrors": case(redis_errors("TIMEOUT", 5), [redis_errors("TIMEOUT", 0), redis_errors("BACKEND", 50)],
                                labels=A_JOB),
    "FairleadRedisBacklog": gauge("fairlead_redis_pending_bytes", API, 20000000, 1000000, labels=A_PROCESS),
    "FairleadUnreplicated": grows("fairlead_redis_unreplicated_total", API, 3, labels=A_JOB),
    "FairleadPostgresAway": gauge("fairlead_pg_available", API, 0, 1, labels=A_PROCESS),
    "FairleadPostgresPoolEmpty": case(pool(10, 30), [pool(10, 1), pool(9, 30)], labels=A_PROCESS),
    "FairleadPostgresSlow": case(buckets("fairlead_pg_query_seconds", "fairlead-api", 5, 100),
                                 buckets("fairlead_pg_query_seconds", "fairlead-api", 1, 1000), labels=A_JOB),
    "FairleadArchiveStands": case(appended(10, 0), [appended(10, 10), appended(1, 0)], at="28m"),
    "FairleadAppendsLimited": grows("fairlead_appends_refused_total", API + ',error="limit"', 5),
    "FairleadArchiveDamaged": case({f"fairlead_archive_damaged_total{{{SCHEDULER}}}": "0x10 1x60"},
                                   {f"fairlead_archive_damaged_total{{{SCHEDULER}}}": "1x60"}),
    "FairleadEventsLost": case({f'fairlead_gaps_total{{{STREAMER},reason="lost"}}': "0x10 1x60"},
                               {f'fairlead_gaps_total{{{STREAMER},reason="retention"}}': "0+1x60"},
                               labels={"reason": "lost"}),
    "FairleadStreamsLag": case(buckets("fairlead_stream_lag_seconds", "fairlead-streamer", 5, 100),
                               buckets("fairlead_stream_lag_seconds", "fairlead-streamer", 1, 1000),
                               labels={"job": "fairlead-streamer"}),
    "FairleadStreamsStall": grows("fairlead_streams_stalled_total", STREAMER, 30, 3, at="30m"),
    "FairleadStreamsPutOff": grows("fairlead_streams_put_off_total", STREAMER, 30, 3),
    "FairleadNoScheduler": case({f"up{{{SCHEDULER}}}": "0x20"}, {f"up{{{SCHEDULER}}}": "1x20"}, at="3m"),
    "FairleadNoWorkers": gauge("fairlead_workers", SCHEDULER + ',state="ready"', 0, 1),
    "FairleadQueueOld": gauge("fairlead_queue_oldest_seconds", SCHEDULER + ',needs="any"', 1000, 100,
                              labels={"needs": "any"}),
    "FairleadQueueUnfit": gauge("fairlead_queue_unfit", SCHEDULER, 1, 0),
    "FairleadSlotsTaken": case(slots(0, 3), [slots(1, 3), slots(0, 0)], at="35m"),
    "FairleadQueueDrift": grows("fairlead_queue_drift_total", SCHEDULER, 1),
    "FairleadWorkersLost": grows("fairlead_leases_lost_total", SCHEDULER, 1),
    "FairleadRenewalsFail": case(renewals(3, 27), renewals(1, 99), labels={"job": "fairlead-worker", "instance": "a"}),
    "FairleadSessionsFail": case(finished(2, 1), [finished(1, 2), {k: v.replace("x80", "x2") for k, v in finished(1, 0).items()}],
                                 at="20m"),
    "FairleadAgentsDoNotStart": case(starts(1, 2), starts(1, 20), labels={"agent": "claude"}),
    "FairleadBreakersOpen": gauge("fairlead_breakers", SCHEDULER + ',state="open"', 1, 0, at="20m"),
    "FairleadSchedulesFail": case({f'fairlead_schedule_runs_total{{{SCHEDULER},outcome="failed"}}': "0x10 1x60"},
                                  {f'fairlead_schedule_runs_total{{{SCHEDULER},outcome="ran"}}': "0+1x60"},
                                  labels={"outcome": "failed"}),
    "FairleadWebhooksDead": grows("fairlead_webhook_dead_total", SCHEDULER, 1),
    "FairleadSpending": grows("fairlead_usage_usd_total", SCHEDULER + ',source="table"', 2, 0.2, at="30m"),
    "FairleadCostUnknown": grows("fairlead_usage_unpriced_total", SCHEDULER, 1),
}
