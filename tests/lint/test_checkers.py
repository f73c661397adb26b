#!/usr/bin/python3
"""test_checkers.py TOOLS DOCGEN: each checker accepts a small good tree and refuses each bad one, for the right reason."""
import contextlib
import io
import os
import runpy
import subprocess
import sys
import tempfile

TOOLS, DOCGEN = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])

GOOD = {
    "shared/base/str.h": "#pragma once\n#include <stddef.h>\n",
    "shared/base/str.c": '#include "base/str.h"\n\nint str_one(void);\n\nint str_one(void)\n{\n\tgoto out;\nout:\n\treturn 1;\n}\n',
    "shared/loop/loop.h": '#pragma once\n#include "base/str.h"\n',
    "shared/http/http.h": '#pragma once\n#include "loop/loop.h"\n',
    "shared/sse/sse.h": '#pragma once\n#include "http/http.h"\n',
    "shared/redis/conn.c": '#include <hiredis/hiredis.h>\n\n#include "loop/loop.h"\n',
    "shared/task/task.h": '#pragma once\n#include "redis/redis.h"\n',
    "shared/task/task_json.c": '#include <jansson.h>\n\n#include "task/task.h"\n#include "task_gen.h"\n',
    "shared/redis/redis.h": "#pragma once\n",
    "api/main.c": '#include "api/app.h"\n#include "task/task.h"\n/* SELECT * FROM t */\n',
    "api/app.h": "#pragma once\n",
    "guard/protocol.h": "#pragma once\n",
    "worker/main.c": '#include "guard/protocol.h"\n',
    "tests/integration/world.h": "#pragma once\n",
    "tests/integration/test_task.c": '#include "world.h"\n',
    "shared/conf/settings.def": 'GROUP("Place")\nX(home, STRING, "", "0", "512", RESTART, "Where.")\n',
    "shared/metric/metric.def": 'X(DONE, COUNTER, "done_total", "", "Done.")\n',
    "shared/base/err_codes.def": 'X(OK, 200, false, "ok")\n',
    "shared/auth/scope.def": 'X(READ, "read", "Look.")\nX(ADMIN, "admin", "All.")\n',
    "shared/event/event.def": 'X(EPOCH, "epoch", SYSTEM, KEEP,\n  "First.")\nX(STATUS, "status", SYSTEM, KEEP, "It moved.")\n'
                              'X(NOTE, "note", ANY, PLAIN, "A remark.")\n',
    "shared/event/lua/open.lua": "-- KEYS 1 {s:<sid>}:log\nredis.call('XADD', KEYS[1], '*', 't', 'epoch')\n",
    "shared/rest/routes.def": 'X(GET, "/a", get_a, READ, NULL, 0, NULL, API, 200, 0, "A, and more")\n'
                              'X(GET, "/b", get_b, READ, NULL, 0, NULL, STREAMER, 200, 0, "B")\n'
                              'X(GET, "/ok", ok, OPEN, NULL, 0, NULL, EVERY, 200, 0, "Well")\n',
    "api/kept.c": "void serve_get_a(void)\n{\n\tadd(METRIC_DONE, conf->home, ERR_OK, auth_bit(AUTH_ADMIN));\n"
                  "\tappend(log, EVENT_TYPE_STATUS);\n}\n",
    "streamer/kept.c": '[REST_OP_get_b] = get,\n{ "/ok", ok },\n',
    "shared/pg/CMakeLists.txt": "set(migrations migrations/0001_core.sql)\n",
    "shared/pg/migrations/0001_core.sql": "CREATE TABLE things (\n    id text,\n    tenant_id text\n);\n"
                                          "CREATE TABLE machines (\n    id text\n);\n",
    "shared/thing/sql/thing_get.sql": "-- params: tenant id, id\nSELECT id FROM things WHERE tenant_id = $1 AND id = $2\n",
    "shared/thing/sql/thing_add.sql": "INSERT INTO things (id, tenant_id) VALUES ($1, $2)\n",
    "shared/thing/sql/machine_get.sql": "SELECT id FROM machines WHERE id = $1\n",
    "tests/unit/test_task.c": '#include "task/task.h"\n\nconst char *sql = "SELECT 1 FROM t";\n',
}

LONG_FUNCTION = "int f(void);\n\nint f(void)\n{\n" + "\tf();\n" * 81 + "}\n"
LATER = "TO" + "DO"

# checker, files that spoil the tree, what it must say
LISTED = {"shared/pg/CMakeLists.txt": "migrations/0001_core.sql migrations/0032_x.sql migrations/0032_y.sql\nset(protocol 2)\n"}
BAD = [
    ("tenants", {"shared/thing/sql/thing_drop.sql": "-- params: tenant_id = of whom\nDELETE FROM things WHERE id = $1\n"},
     "thing_drop.sql: names a table with a tenant, and not whose rows"),
    ("tenants", {"shared/thing/sql/thing_see.sql": "SELECT tenant_id FROM machines m JOIN things t ON t.id = m.id\n"},
     "thing_see.sql: names a table with a tenant, and not whose rows"),
    ("tenants", {"shared/thing/sql/thing_put.sql": "INSERT INTO things (id) VALUES ($1)\n"},
     "thing_put.sql: names a table with a tenant, and not whose rows"),
    ("keys", {"shared/thing/lua/x.lua": "return redis.call('GET', KEYS[1])\n"}, "does not say under"),
    ("keys", {"shared/thing/lua/x.lua": "-- KEYS 1 {s:<sid>}:a  2 {w}:b\nreturn 1\n"}, "more than one tag"),
    ("keys", {"shared/thing/lua/x.lua": "-- KEYS 1 the thing\nreturn 1\n"}, "without its {tag}"),
    ("keys", {"shared/thing/lua/x.lua": "-- KEYS 1 {w}:a\nreturn redis.call('GET', KEYS[2])\n"},
     "uses KEYS[2] and names 1"),
    ("keys", {"shared/thing/lua/x.lua": "-- KEYS 1 {w}:a\nreturn redis.call('GET', '{w}:b')\n"},
     "GET of a key that is not made from KEYS"),
    ("migrations", {**LISTED, "shared/pg/migrations/0032_x.sql": 'CREATE TABLE a (b int);\n'},
     'must begin with "-- phase: expand"'),
    ("migrations", {**LISTED, "shared/pg/migrations/0032_x.sql": '-- phase: expand\nDROP TABLE a;\n'},
     'takes away what the version before uses: that is for a contract'),
    ("migrations", {**LISTED, "shared/pg/migrations/0032_x.sql": '-- phase: expand\nALTER TABLE a RENAME b TO c;\n'},
     'the version before knows the old name'),
    ("migrations", {**LISTED, "shared/pg/migrations/0032_x.sql": '-- phase: expand\nALTER TABLE a ALTER COLUMN b TYPE bigint;\n'},
     'the version before writes the old type'),
    ("migrations", {**LISTED, "shared/pg/migrations/0032_x.sql": '-- phase: expand\nALTER TABLE a ADD COLUMN b int NOT NULL;\n'},
     'so it needs a default'),
    ("migrations", {**LISTED, "shared/pg/migrations/0032_x.sql": '-- phase: contract\nDROP TABLE a;\n'},
     'from which protocol on'),
    ("migrations", {**LISTED, "shared/pg/migrations/0032_x.sql": '-- phase: contract\n-- protocol: 3\nDROP TABLE a;\n'},
     'protocol 3 must be 2 or more, and no more than'),
    ("migrations", {**LISTED, "shared/pg/migrations/0032_x.sql": "-- phase: expand\n",
                    "shared/pg/migrations/0032_y.sql": "-- phase: expand\n"}, "has that number"),
    ("migrations", {"shared/pg/migrations/0032_x.sql": "-- phase: expand\n"}, "is not in shared/pg/CMakeLists.txt"),
    ("layers", {"shared/base/x.c": '#include "loop/loop.h"\n'}, "shared/base must not include shared/loop"),
    ("layers", {"shared/loop/x.c": '#include "task/task.h"\n'}, "shared/loop must not include shared/task"),
    ("layers", {"shared/redis/x.c": '#include "http/http.h"\n'}, "shared/redis must not include shared/http"),
    ("layers", {"shared/http/x.c": '#include "sse/sse.h"\n'}, "shared/http must not include shared/sse"),
    ("layers", {"shared/log/log.h": "", "shared/conf/x.c": '#include "log/log.h"\n'},
     "shared/conf must not include shared/log"),
    ("layers", {"shared/task/x.c": '#include "api/app.h"\n'}, "no one includes the program api"),
    ("layers", {"streamer/main.c": '#include "api/app.h"\n'}, "no one includes the program api"),
    ("layers", {"guard/guard.h": "", "worker/x.c": '#include "guard/guard.h"\n'},
     "no one includes the program guard"),
    ("layers", {"shared/task/x.c": '#include "tests/support/test.h"\n'}, "only tests include tests"),
    ("layers", {"api/x.c": '#include "../shared/base/str.h"\n'}, "is in no folder of ours"),
    ("layers", {"api/x.c": '#include "str.h"\n'}, "must be written from the root"),
    ("layers", {"shared/task/x.c": "#include <hiredis/hiredis.h>\n"}, "behind another folder"),
    ("layers", {"shared/task/x.c": "#  include <libpq-fe.h>\n"}, "behind another folder"),
    ("layers", {"shared/task/x.c": "#include <jansson.h>\n"}, "behind another folder"),
    ("layers", {"shared/http/x.c": "#include <sodium.h>\n"}, "behind another folder"),
    ("layers", {"shared/http/x.c": "#include <openssl/evp.h>\n"}, "behind another folder"),
    ("layers", {"tests/unit/x.c": "#include <event2/http.h>\n"}, "behind another folder"),
    ("layers", {"shared/queue/queue.h": '#include "task/task.h"\n', "shared/task/x.c": '#include "queue/queue.h"\n'},
     "folders include each other: queue -> task -> queue"),
    ("layers", {"shared/task/x.c": '#include "task/task.c"\n', "shared/task/task.c": ""}, "a .c file is never included"),
    ("size", {"shared/base/x.c": LONG_FUNCTION}, "a function of 81 lines"),
    ("size", {"shared/base/x.c": "int x;\n" * 901}, "901 lines (at most 900)"),
    ("size", {"shared/base/x.h": "int x;\n" * 301}, "301 lines (at most 300)"),
    ("size", {"shared/base/x.c": "\t" * 12 + "int x;\n"}, "102 columns"),
    ("rows", {"shared/conf/settings.def": 'X(hope, U32, "1", "1", "2", RESTART, "None.")\n',
              "shared/conf/conf.c": "int x = conf->hope;\n", "tests/unit/x.c": "int x = conf->hope;\n"},
     "hope: no code reads this setting"),
    ("rows", {"shared/metric/metric.def": 'X(DONE_NOT, COUNTER, "x_total", "", "None.")\n'},
     "metric.def:1: DONE_NOT: no code sets this metric"),
    ("rows", {"shared/metric/metric.def": 'X(HOPE, COUNTER, "x_total", "", "None.")\n',
              "api/x.c": "/* METRIC_HOPE */\n"}, "HOPE: no code sets this metric"),
    ("rows", {"shared/base/err_codes.def": 'X(HOPE, 400, false, "hope")\n', "tools/x.c": "int x = ERR_HOPE;\n"},
     "HOPE: no code gives this error"),
    ("rows", {"shared/auth/scope.def": 'X(HOPE, "hope", "None.")\n'}, "HOPE: no route and no code asks for this scope"),
    ("rows", {"shared/event/event.def": 'X(HOPE, "hope", SYSTEM, KEEP, "None.")\n',
              "api/x.c": "bool x = type == EVENT_TYPE_HOPE || type != EVENT_TYPE_HOPE;\ncase EVENT_TYPE_HOPE: f();\n"},
     "HOPE: no code appends this event"),
    ("rows", {"shared/rest/routes.def": 'X(GET, "/hope", hope, READ, NULL, 0, NULL, API, 200, 0, "None")\n',
              "api/x.h": "void serve_hopeless(void);\n"}, "hope: no code answers this route"),
    ("rows", {"shared/base/err_codes.def": "/* none */\n"}, "err_codes.def: no rows"),
    ("words", {"shared/base/x.c": f"/* {LATER} later */\n"}, "do it, or open an issue"),
    ("words", {"shared/base/str_utils.c": ""}, "a file name that says nothing"),
    ("words", {"shared/misc.h": ""}, "a file name that says nothing"),
    ("words", {"shared/base/x.c": "void f(char *a) {\n\tstrcpy (a, a);\n}\n"}, "use the str, buf"),
    ("words", {"shared/base/x.c": "int x = atoi(y);\n"}, "use the str, buf"),
    ("words", {"shared/base/x.c": "{\n\tgoto fail;\n}\n"}, "goto leads to `out` only"),
    ("words", {"shared/base/x.c": "{\nout:\nout:\n}\n"}, "more than one `out`"),
    ("words", {"api/x.c": 'char *s = "SELECT a FROM b";\n'}, "SQL lives in"),
    ("words", {"api/x.c": 'char *s = " insert into t";\n'}, "SQL lives in"),
    ("words", {"api/x.c": "char *s = \"return redis.call('GET', KEYS[1])\";\n"}, "Lua lives in"),
]


def write(root, files):
    for name, text in files.items():
        path = os.path.join(root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return done.returncode, done.stdout.decode()


def judge(checker, root):
    """As the program does, without another interpreter for each tree."""
    said = io.StringIO()
    argv, sys.argv = sys.argv, [f"check-{checker}", root]
    try:
        with contextlib.redirect_stdout(said):
            runpy.run_path(f"{TOOLS}/check-{checker}", run_name="__main__")
        status = 0
    except SystemExit as end:
        status = end.code or 0
    finally:
        sys.argv = argv
    return status, said.getvalue()


def expect(holds, what, output):
    if not holds:
        sys.exit(f"{what}:\n{output}")


def check_redis_acl():
    """What C and Lua say to Redis is in the table; else it is named."""
    folder = os.path.join(TOOLS, "..", "deploy", "redis-acl")
    bad = [({"shared/thing/x.c": 'redis_arg_cstr(cmd, "KEYS");\n'}, "x.c: the command KEYS"),
           ({"shared/redis/x.c": '#include "redis/wire.h"\nconst struct str all[] = { STR_LIT("FLUSHALL") };\n'}, "FLUSHALL"),
           ({"api/x.c": 'redis_argf(cmd, "{z:%s}:all", id);\n'}, "x.c: the key or channel {z:%s}:all"),
           ({"worker/x.h": '#define OTHER_CHANNEL "others"\n'}, "x.h: the key or channel others"),
           ({"shared/thing/lua/x.lua": "-- KEYS 1 {z}\nreturn redis.call('KEYS', KEYS[1])\n"}, "x.lua: the command KEYS"),
           ({}, "nothing is called {s:")]
    for files, said in bad:
        with tempfile.TemporaryDirectory() as root:
            write(root, files)
            code, output = run(os.path.join(TOOLS, "redis-acl"), "--check", folder, root)
            expect(code != 0 and said in output, f"redis-acl was to say: {said}", output)


def check_format():
    with tempfile.TemporaryDirectory() as root:
        write(root, {"shared/base/x.c": "int  x ;\n", ".clang-format": "BasedOnStyle: LLVM\n"})
        status, output = run(TOOLS + "/check-format", root)
        expect(status != 0, "check-format accepts a badly formatted file", output)
        if status == 77:
            return "check-format has no clang-format 14 here"
        write(root, {"shared/base/x.c": "int x;\n"})
        status, output = run(TOOLS + "/check-format", root)
        expect(status == 0, "check-format refuses a formatted file", output)
    return "check-format tells one from the other"


def check_docs():
    with tempfile.TemporaryDirectory() as root:
        for name in run(DOCGEN, "--list")[1].split():
            write(root, {name + ".md": run(DOCGEN, name)[1]})
        status, output = run(TOOLS + "/docs-update", "--check", DOCGEN, root)
        expect(status == 0, "docs-update --check refuses fresh documents", output)
        with open(root + "/metrics.md", "a", encoding="utf-8") as file:
            file.write("stale\n")
        status, output = run(TOOLS + "/docs-update", "--check", DOCGEN, root)
        expect(status == 1 and "run: tools/docs-update" in output, "docs-update --check accepts a stale one", output)


def main():
    with tempfile.TemporaryDirectory() as root:
        write(root, GOOD)
        for checker in ("layers", "size", "words", "rows", "tenants", "keys", "migrations"):
            status, output = judge(checker, root)
            expect(status == 0, f"check-{checker} refuses the good tree", output)
    for checker, files, reason in BAD:
        with tempfile.TemporaryDirectory() as root:
            write(root, {**GOOD, **files})
            status, output = judge(checker, root)
            expect(status == 1 and reason in output, f"check-{checker} should say \"{reason}\" about {files}", output)
    for checker in ("layers", "size", "words", "rows", "tenants", "keys", "migrations"):
        with tempfile.TemporaryDirectory() as root:
            status, output = judge(checker, root)
            expect(status == 1, f"check-{checker} accepts an empty tree", output)
    check_docs()
    check_redis_acl()
    print(check_format())
    print(f"{len(BAD)} bad trees refused")


main()
