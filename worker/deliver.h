/*
 * Putting a user's branch at a commit that a session made: asked by a scheduler when that session
 * has ended, so which commit it is cannot change any more (scheduler/branch.h).  Repeating it is
 * harmless; the branch is only moved forward.
 */
#pragma once

#include "queue/mail.h"
#include "worker/session_run.h"

/* A note of kind "deliver", {name, url, commit, branch}: done on a fiber of the host's, and
 * answered by that name: "done", "failed <why>" (it never will), "again <why>". */
void deliver_note(struct session_host *host, const struct mail *mail);
