"""The API: group ``stowage.dev``, version ``v1alpha1``. The models here are its one source."""
