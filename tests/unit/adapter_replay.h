/*
 * Replays a transcript through an adapter and writes down what it wants done, an act a line.
 *
 * A transcript is text, one entry a line:
 *   < TEXT     a line of the agent, or an event of its HTTP server
 *   > TEXT     what the agent was given when this was recorded; for readers, it is not replayed
 *   ! WORD ... what the host does, with a JSON object where one is named:
 *       place {"model","mode","resume","password","root","program","settings"}: first, if at all
 *       prompt {"id","blocks" or "text"}
 *       answer {"ask","allow","scope","option","message","interrupt","input","answers"}
 *       control {"kind": interrupt | set_model | set_mode | slash, "id", "text"}
 *       reply {"tag","status","body"}: of its HTTP server; body may be any JSON, a string is itself
 *       result {"call","result","message"}: of a call
 *       end WHY
 *   # TEXT     a remark
 * The end comes by itself where it is not given.
 *
 * The adapter is held to its promises meanwhile (a bug ends the program): every event is one that a
 * log takes, each command ends exactly once, no question is open twice or withdrawn when it is not
 * open, turns begin and end in turns, all is closed by the end.
 */
#pragma once

#include <stddef.h>

#include "base/buf.h"
#include "base/str.h"
#include "worker/adapters/adapter.h"

/* chunk: lines of the agent arrive in pieces of that many bytes; 0: each whole. False: the
 * transcript cannot be read, *ret_line is where. out gets the acts. */
bool adapter_replay(const struct adapter_ops *ops, struct str transcript, size_t chunk,
                    struct buf *out, size_t *ret_line);

/*
 * tests/fixtures/NAME.jsonl whole, byte by byte and in other pieces, against NAME.acts beside it;
 * fails the running test where they differ. With FAIRLEAD_GOLDEN=write in the environment the acts
 * are written down instead.
 */
void adapter_replay_fixture(const char *type, const char *name);

/* A file, whole; the test fails without it. out is the caller's to end. */
void adapter_read_file(const char *path, struct buf *out);
