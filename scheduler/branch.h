/*
 * Duty: the branch that a task wants its work on.
 *
 * The fence check is made here: the session has ended well, and no lease or attempt came after the
 * commit (delivery/delivery_store.h).  From then on it is the one commit of that session, and
 * putting the branch there may be repeated by anybody.  A worker does it, since workers have the
 * repositories, the network to them and git: the one that made the commit if it lives, else
 * another. The branch is only moved forward; where that is refused the commit stays in
 * refs/fairlead/.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"

struct app;

enum err_code branch_turn(struct app *app, struct err *err) MUST_CHECK;
