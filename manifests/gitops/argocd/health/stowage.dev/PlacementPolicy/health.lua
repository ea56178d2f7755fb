-- Argo CD's health of a PlacementPolicy. An operator that serves some namespaces only writes no status to it, so
-- one without a status is healthy: it works as soon as it is there.
local status = obj.status or {}
if status.observedGeneration ~= nil and status.observedGeneration ~= obj.metadata.generation then
  return {status = "Progressing", message = "the operator has not looked at this generation yet"}
end
for _, each in ipairs(status.conditions or {}) do
  if each.type == "Ready" and each.status ~= "True" then
    return {status = "Degraded", message = each.reason .. ": " .. (each.message or "")}
  end
end
return {status = "Healthy"}
