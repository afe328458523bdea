using System.Diagnostics.Tracing;

namespace Crosscore;

/// <summary>
/// Warns that the light fence is a full one because the tests have not seen this version of .NET, by the event source
/// <c>Crosscore.AsymmetricFence</c>. The source exists only while it warns, because an event source keeps the assembly
/// loaded; so a listener must exist before the fence is first used. Later, <see cref="MachineGuarantees.Detect()"/>
/// still says why.
/// </summary>
[EventSource(Name = "Crosscore.AsymmetricFence")]
internal sealed class FenceEvents : EventSource
{
    private const int UntestedRuntimeId = 1;

    public static void Warn(string message)
    {
        using var events = new FenceEvents(); // existing listeners are told of it, and enable it, before this returns
        events.UntestedRuntime(message);
    }

    [Event(UntestedRuntimeId, Level = EventLevel.Warning, Message = "{0}")]
    private void UntestedRuntime(string message) => WriteEvent(UntestedRuntimeId, message);
}
