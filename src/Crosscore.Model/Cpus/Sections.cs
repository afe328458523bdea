using Crosscore.Model.Compilation;
using Crosscore.Model.Programs;
using Crosscore.Model.State;

namespace Crosscore.Model.Cpus;

/// <summary>
/// Which per-CPU section each task has named, and what becomes of it when the kernel takes notice of the task. The
/// kernel does so on the way back to user mode; until then the task executes nothing, so the restart is made at once.
/// </summary>
internal sealed class Sections
{
    private readonly IReadOnlyList<ThreadCode> _tasks;

    // The number of the section, plus one. No bit for a task without sections.
    private readonly BitField[] _armed;

    public Sections(ModelProgram program, StateLayout layout)
    {
        _tasks = program.Threads;
        _armed = [.. _tasks.Select(task => layout.Add(task.Sections.Count))];
        Any = _tasks.Any(task => task.Sections.Count > 0);
    }

    /// <summary>Whether the program has any.</summary>
    public bool Any { get; }

    public void Arm(Span<ulong> state, int task, int section) => _armed[task].Set(state, section + 1);

    /// <summary>Whether a task is inside the section that it named.</summary>
    public bool IsInside(ReadOnlySpan<ulong> state, CompiledThread task) =>
        _armed[task.Id].Get(state) is int armed and > 0 && task.Analysis.SectionAt[task.Pc.Get(state)] == armed - 1;

    /// <summary>
    /// The kernel takes notice: a task inside its section resumes at the section's abort. Inside or not, no section
    /// is named any more (kernel/rseq.c clears the pointer).
    /// </summary>
    /// <returns>Whether it was inside.</returns>
    public bool Restart(Span<ulong> state, CompiledThread task)
    {
        bool inside = IsInside(state, task);
        if (inside)
        {
            task.Pc.Set(state, _tasks[task.Id].Sections[_armed[task.Id].Get(state) - 1].Abort);
        }

        _armed[task.Id].Set(state, 0);
        return inside;
    }
}
