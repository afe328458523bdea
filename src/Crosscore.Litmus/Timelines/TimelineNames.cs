using Crosscore.Litmus.Outcomes;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Verdicts;
using Crosscore.Model.Kernel.Language;
using Crosscore.Model.Programs;

namespace Crosscore.Litmus.Timelines;

/// <summary>Names tasks, memory and values as the test and the kernel design do.</summary>
internal sealed class TimelineNames
{
    private readonly ModelVerdict _verdict;
    private readonly List<string> _tasks;
    private readonly Dictionary<string, KernelVariable> _kernelVariables;

    public TimelineNames(ModelVerdict verdict)
    {
        _verdict = verdict;
        LitmusTest test = verdict.Test;
        _tasks = [.. test.Threads.Select(thread => $"P{thread.Id}")];
        if (verdict.Kernel is not null)
        {
            // Idle tasks follow the threads, in the order of their CPUs; see KernelLowering.
            _tasks.AddRange(test.System.IdleCpus.Select(cpu => $"idle/{cpu}"));
        }

        _kernelVariables = verdict.Kernel?.Variables.ToDictionary(variable => variable.Name) ?? [];
    }

    /// <summary>Gets how many tasks there are.</summary>
    public int Tasks => _tasks.Count;

    public string Task(int task) => task >= 0 && task < _tasks.Count ? _tasks[task] : "";

    /// <summary>Gets the index of the task that a CPU runs at the start.</summary>
    public int FirstTask(int lane)
    {
        TestSystem system = _verdict.Test.System;
        int running = _verdict.Kernel is null
            ? lane
            : system.Threads.ToList().FindIndex(thread => thread.Cpu == lane && thread.Start == TaskStart.Running);
        return running >= 0 ? running : _tasks.IndexOf($"idle/{lane}");
    }

    /// <summary>Gets a place in memory: <c>x</c>, <c>t[1]</c>, <c>curr[0]</c>, <c>P1.mm</c>.</summary>
    public string Place(ulong address) =>
        _verdict.Layout.Describe(address)
        ?? Kernel(address) switch
        {
            null => $"0x{address:x}",
            (KernelVariable { Index: KernelType.Void } variable, _) => variable.Name,
            (KernelVariable { Index: KernelType.Task } variable, int task) => $"{Task(task)}.{variable.Name}",
            (KernelVariable { Index: KernelType.Mm } variable, int space) => $"{Space(space)}.{variable.Name}",
            var (variable, cpu) => $"{variable.Name}[{cpu}]",
        };

    /// <summary>Gets a value as it stands at a place.</summary>
    public string Value(ulong address, int width, ulong value) =>
        Kernel(address) switch
        {
            null => ValueText.Format(_verdict.Test, _verdict.Layout, value, _verdict.Layout.TypeAt(address, width)),
            (KernelVariable { Type: KernelType.Bool }, _) => value != 0 ? "true" : "false",
            (KernelVariable { Type: KernelType.Task }, _) => value == 0 ? "none" : Task((int)value - 1),
            (KernelVariable { Type: KernelType.Mm }, _) => value == 0 ? "none" : Space((int)value - 1),
            (KernelVariable { Type: KernelType.Cpus }, _) => $"{{{Cpus(value, "")}}}",
            _ => DataType.SignedOf(8).Format(value),
        };

    /// <summary>Gets a set of CPUs: <c>CPU 1, 2</c>.</summary>
    public static string Cpus(ulong mask, string prefix = "CPU ") =>
        prefix + string.Join(", ", Enumerable.Range(0, 64).Where(cpu => (mask >> cpu & 1) != 0));

    private string Space(int space) =>
        space < _verdict.Test.System.AddressSpaces.Count ? _verdict.Test.System.AddressSpaces[space] : $"mm {space}";

    private (KernelVariable Variable, int Element)? Kernel(ulong address)
    {
        MemoryRegion? region = _verdict.Memory.FirstOrDefault(candidate =>
            address >= candidate.Address && address - candidate.Address < (ulong)candidate.Size
        );
        return
            region is not null
            && _kernelVariables.TryGetValue(region.Name, out KernelVariable? variable)
            && _verdict.Layout.Describe(address) is null
            ? (variable, (int)(address - region.Address) / region.ElementWidth)
            : null;
    }
}
