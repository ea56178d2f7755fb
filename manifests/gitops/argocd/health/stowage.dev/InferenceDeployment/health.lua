-- Argo CD's health of an InferenceDeployment, from the conditions that the operator writes.
local function condition(name)
  for _, each in ipairs((obj.status or {}).conditions or {}) do
    if each.type == name then
      return each
    end
  end
  return {}
end

if obj.metadata.deletionTimestamp ~= nil then
  return {status = "Progressing", message = "is being deleted"}
end
if obj.status == nil or obj.status.observedGeneration ~= obj.metadata.generation then
  return {status = "Progressing", message = "the operator has not looked at this generation yet"}
end
local ready, stalled = condition("Ready"), condition("Stalled")
if ready.reason == "Paused" then
  return {status = "Suspended", message = ready.message}
end
if stalled.status == "True" then
  return {status = "Degraded", message = stalled.reason .. ": " .. (stalled.message or "")}
end
if ready.status == "True" then
  return {status = "Healthy", message = ready.message}
end
return {status = "Progressing", message = (ready.reason or "NotPlaced") .. ": " .. (ready.message or "")}
