module stowage.dev/tools/pause

go 1.26.0

tool (
	stowage.dev/tools/pause
)
