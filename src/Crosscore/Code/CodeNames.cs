namespace Crosscore.Code;

/// <summary>
/// Names of installed functions for those who look at the process from outside, and from inside. Nothing is published unless it is asked for here, but the segment's name, which is that of its mapping:
/// /proc/PID/maps, perf and core dumps show "/memfd:crosscore-code:NAME".
/// </summary>
/// <remarks>Each may be called at any time and any number of times, and tells of what is installed already too. A refusal changes nothing for the code itself.</remarks>
public static class CodeNames
{
    private static readonly Lock Publishing = new();
    private static bool s_toPerf;
    private static bool s_toDebugger;

    /// <summary>
    /// Writes a line for each function to /tmp/perf-PID.map, where <c>perf report</c> looks for it. Where the runtime writes that file too (DOTNET_PerfMapEnabled), its lines and these stand side by side. The file outlives
    /// the process, so that addresses of a crash can be looked up in it. Lines are never taken back: an address that was used twice has two.
    /// </summary>
    /// <exception cref="IOException">The file cannot be opened for writing.</exception>
    public static void PublishToPerf()
    {
        lock (Publishing)
        {
            if (!s_toPerf)
            {
                CodeRegistry.Attach(PerfMap.Open());
                s_toPerf = true;
            }
        }
    }

    /// <summary>
    /// Tells gdb of each function through its JIT interface: breakpoints, disassembly and backtraces then have names, in a process that gdb has started or is attached to. Loads a small library that has the two symbols gdb
    /// looks for, because the runtime's own has not.
    /// </summary>
    /// <exception cref="CodeException">A memory file or the library was refused.</exception>
    public static void PublishToDebugger()
    {
        lock (Publishing)
        {
            if (!s_toDebugger)
            {
                CodeRegistry.Attach(DebuggerInterface.Load());
                s_toDebugger = true;
            }
        }
    }

    /// <summary>What lies at an address: "segment!function+0x12", or <see langword="null"/> where no code of this library is installed.</summary>
    /// <param name="address">Any address.</param>
    public static string? Find(nint address)
    {
        if (CodeRegistry.Find(address) is not { } segment)
        {
            return null;
        }

        string owner = segment.Name ?? "crosscore-code";
        return segment.FunctionAt(address) is { Name: { } name, Offset: var offset }
            ? (address - segment.Address - offset) is var into and not 0 ? $"{owner}!{name}+0x{into:x}" : $"{owner}!{name}"
            : $"{owner}+0x{address - segment.Address:x}";
    }
}
