namespace Crosscore.Code;

/// <summary>
/// Publishes the names of installed functions to perf and gdb, and finds them for logs. Without a call only the
/// segment's name is visible, which is that of its mapping: /proc/PID/maps, perf and core dumps show
/// "/memfd:crosscore-code:NAME", and "/memfd:crosscore-live:NAME" for live code.
/// </summary>
/// <remarks>
/// Each may be called at any time and any number of times, and also publishes what is installed already. A refusal
/// changes nothing for the code itself.
/// </remarks>
public static class CodeNames
{
    private static readonly Lock Publishing = new();
    private static bool s_toPerf;
    private static bool s_toDebugger;

    /// <summary>
    /// Writes two files. /tmp/jit-PID.dump has each function's name, time and bytes, for perf: <c>perf record -k 1</c>,
    /// then <c>perf inject --jit</c>, then <c>perf report</c>. /tmp/perf-PID.map has a line for each function, to look
    /// up addresses by hand: perf itself ignores it where code lies in memory files, as here. Where the runtime writes
    /// these files too (DOTNET_PerfMapEnabled), its entries and these stand side by side. The files outlive the
    /// process. Entries stay: an address that was used twice has two.
    /// </summary>
    /// <exception cref="IOException"> A file cannot be opened for writing, or the second one not mapped as executable,
    /// by which perf finds it; nothing is published then.
    /// </exception>
    public static void PublishToPerf()
    {
        lock (Publishing)
        {
            if (!s_toPerf)
            {
                PerfMap map = PerfMap.Open();
                JitDump dump;
                try
                {
                    dump = JitDump.Open();
                }
                catch
                {
                    map.Dispose();
                    throw;
                }

                CodeRegistry.Attach(map);
                CodeRegistry.Attach(dump);
                s_toPerf = true;
            }
        }
    }

    /// <summary>
    /// Tells gdb of each function through its JIT interface: breakpoints, disassembly and backtraces then have names,
    /// in a process that gdb has started or is attached to. Loads a small library with the two symbols that gdb looks
    /// for, because the runtime's own has none.
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

    /// <summary>
    /// Returns what lies at an address: "segment!function+0x12", or <see langword="null"/> if no code of this library
    /// is installed there.
    /// </summary>
    /// <param name="address">Any address.</param>
    public static string? Find(nint address)
    {
        if (CodeRegistry.Find(address) is not { } segment)
        {
            return null;
        }

        string owner = segment.Name ?? "crosscore-code";
        return segment.FunctionAt(address) is { Name: { } name, Offset: var offset }
            ? (address - segment.Address - offset) is var into and not 0
                ? $"{owner}!{name}+0x{into:x}"
                : $"{owner}!{name}"
            : $"{owner}+0x{address - segment.Address:x}";
    }
}
