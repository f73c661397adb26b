#include "api/app.h"

int main(int argc, char **argv)
{
	return node_run(app_options(), argc, argv);
}
