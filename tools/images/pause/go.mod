module stowage.dev/pause

go 1.26.0
