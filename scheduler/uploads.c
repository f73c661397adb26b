#include "scheduler/uploads.h"

#include "scheduler/app.h"
#include "upload/upload_fetch.h"

enum err_code uploads_turn(struct app *app, struct err *err)
{
	enum err_code code = ERR_OK;
	bool any = true;

	while (code == ERR_OK && any) {
		code = upload_fetch_answer(app->node->redis, app->node->pg, &any, err);
	}
	return code;
}
