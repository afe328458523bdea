using Crosscore.Litmus.Verdicts;
using Crosscore.Model.Cores;
using Crosscore.Model.Traces;

namespace Crosscore.Litmus.Timelines;

/// <summary>Names events and describes what they did.</summary>
internal sealed class TimelineWords(ModelVerdict verdict, TimelineNames names)
{
    private readonly bool _buffered = verdict.Core == CoreKind.X86Tso;
    private readonly bool _syscallReturnSerializes =
        verdict.Kernel is { } kernel && (kernel.Flag("syscall_return_serializes") || kernel.Flag("pti"));

    /// <summary>Whether taking an interrupt serializes the core.</summary>
    public bool EntrySerializes { get; } = verdict.Kernel is { } kernel && kernel.Flag("interrupt_entry_serializes");

    /// <summary>
    /// Gets the name of what neither the test nor the design writes down; <see langword="null"/> for what one of them
    /// does.
    /// </summary>
    public string? Hardware(TraceEvent happened) =>
        happened.Kind switch
        {
            TraceEventKind.TakeInterrupt => $"interrupt from CPU {happened.Task}",
            TraceEventKind.EndInterrupt => "the handler ends",
            TraceEventKind.AnswerArrives => "",
            TraceEventKind.BeginReturn => "way out of the interrupt",
            TraceEventKind.Return or TraceEventKind.ReturnSerializing => "IRET",
            TraceEventKind.LeaveSyscall => "SYSRET",
            TraceEventKind.BeginSwitch or TraceEventKind.Preempt => "schedule()",
            TraceEventKind.Wake => "wake-up",
            TraceEventKind.Sleep => "sleep",
            TraceEventKind.Signal => "signal",
            TraceEventKind.Serialize when happened.Source < 0 || IsSyscall(happened) => "way out of the call",
            _ => null,
        };

    /// <summary>Gets what happened.</summary>
    /// <param name="happened">The event.</param>
    /// <param name="before">What the CPUs held before it; none before the first event.</param>
    /// <param name="last">What its CPU did last; for what waits for answers, what was asked.</param>
    public string Effect(TraceEvent happened, IReadOnlyList<CoreView> before, TraceEvent? last)
    {
        string place = happened.Width == 0 ? "" : names.Place(happened.Address);
        string value = happened.Width == 0 ? "" : names.Value(happened.Address, happened.Width, happened.Value);
        return happened.Kind switch
        {
            TraceEventKind.LoadOld => $"reads {place} = {value}, which is OLD",
            TraceEventKind.Promise => $"{place} = {value} reaches memory before it is executed (a promise)",
            TraceEventKind.Fulfil => $"{place} := {value}, which reached memory before",
            TraceEventKind.ReservationLost => "has lost its reservation",
            TraceEventKind.CleanCode => "cleans it from the data cache",
            TraceEventKind.InvalidateCode => "drops it from every instruction cache",
            TraceEventKind.Translate => $"is translated by {place} = {value}",
            TraceEventKind.TranslateStale => $"is translated by {place} = {value}, which is OLD",
            TraceEventKind.Fault => "faults",
            TraceEventKind.InvalidateTranslation => "drops it from the TLBs",
            TraceEventKind.Load =>
                $"reads {place} = {value}{(IsForwarded(happened, before) ? " from its own store buffer" : "")}",
            TraceEventKind.AtomicLoad => $"reads {place} = {value}",
            TraceEventKind.Store => _buffered ? $"{place} := {value} waits in the store buffer" : $"{place} := {value}",
            TraceEventKind.ReachMemory => $"{place} = {value} reaches memory",
            TraceEventKind.AtomicStore => $"writes {place} := {value} at once",
            TraceEventKind.Fence => _buffered
                ? "nothing waits in the store buffer"
                : "orders earlier accesses before later ones",
            TraceEventKind.RequestFences => "demands a fence of every other thread",
            TraceEventKind.AwaitFences => "all of them have passed one",
            TraceEventKind.Fetch => $"executes {place} as memory has it: it returns {value}",
            TraceEventKind.FetchStale => $"executes OLD code: {place} still returns {value}",
            TraceEventKind.FetchUnpredictable => "executes code while it changes: nothing is promised from here on",
            _ => OfKernel(happened, before, last),
        };
    }

    // What cores do for the kernel: interrupts, system calls, switches of tasks.
    private string OfKernel(TraceEvent happened, IReadOnlyList<CoreView> before, TraceEvent? last) =>
        happened.Kind switch
        {
            TraceEventKind.Serialize => "serializes the core",
            TraceEventKind.SendIpi => happened.Value == 0
                ? "interrupts no CPU"
                : $"interrupts {TimelineNames.Cpus(happened.Value)}",
            TraceEventKind.AwaitIpi when last is { Kind: TraceEventKind.SendIpi, Value: 0 } => "has no CPU to wait for",
            TraceEventKind.AwaitIpi => "all interrupted CPUs have answered",
            TraceEventKind.TakeInterrupt =>
                $"{names.Task(before.Count == 0 ? names.FirstTask(happened.Cpu) : before[happened.Cpu].Task)} "
                    + "is interrupted"
                    + (EntrySerializes ? "; that serializes the core" : ""),
            TraceEventKind.EndInterrupt => happened.Cores.Count > happened.Cpu
            && happened.Cores[happened.Cpu].Waiting.Any(store => store.Answers == happened.Task)
                ? $"the answer to CPU {happened.Task} waits in the store buffer"
                : $"answers CPU {happened.Task}",
            TraceEventKind.AnswerArrives => $"the answer reaches CPU {happened.Task}",
            TraceEventKind.BeginReturn => "no other task to run",
            TraceEventKind.Return => $"back to {names.Task(happened.Task)}; does not serialize the core",
            TraceEventKind.ReturnSerializing => $"back to {names.Task(happened.Task)}; serializes the core",
            TraceEventKind.LeaveSyscall => _syscallReturnSerializes
                ? $"{names.Task(happened.Task)} leaves its system call"
                : $"{names.Task(happened.Task)} leaves its system call; does not serialize the core",
            TraceEventKind.BeginSwitch =>
                $"from {Current(happened, before)}, which asked for it, to {names.Task(happened.Task)}",
            TraceEventKind.Preempt when last is { Kind: TraceEventKind.EndInterrupt } =>
                $"on the way out of the interrupt, from {Current(happened, before)} "
                    + $"to {names.Task(happened.Task)}: no IRET now",
            TraceEventKind.Preempt =>
                $"by an interrupt, from {Current(happened, before)} to {names.Task(happened.Task)}",
            TraceEventKind.SwitchTo => $"{names.Task(happened.Task)} runs from here on",
            TraceEventKind.MarkRestart => $"{Current(happened, before)} is in no restartable section",
            TraceEventKind.Restart => $"the section of {Current(happened, before)} restarts",
            TraceEventKind.ArmSection => "a restartable section begins",
            TraceEventKind.Signal => $"the section of {names.Task(happened.Task)} restarts",
            TraceEventKind.Sleep => $"{names.Task(happened.Task)} sleeps",
            TraceEventKind.Wait => Wait(happened),
            TraceEventKind.Wake => $"{names.Task(happened.Task)} wakes inside of its system call",
            _ => throw new InvalidOperationException($"Crosscore bug: unknown event {happened.Kind}"),
        };

    private string Wait(TraceEvent happened)
    {
        string who = happened.Task >= 0 ? names.Task(happened.Task) : $"CPU {happened.Cpu}";
        string where =
            happened.KernelLine > 0 ? "this line"
            : happened.Source >= 0 ? "this instruction"
            : "an interrupt or a switch of tasks";

        // Without a kernel no column names the file and the line.
        string line =
            verdict.Kernel is null && happened is { Task: >= 0, Source: >= 0 }
                ? $" (line {verdict.Test.Threads[happened.Task].Instructions[happened.Source].Position.Line})"
                : "";
        return happened.Value != 0
            ? $"{who} waits at {where} forever{line}"
            : $"{who} is at {where}{line}; no end can be reached from here";
    }

    private string Current(TraceEvent happened, IReadOnlyList<CoreView> before) =>
        names.Task(before.Count > 0 ? before[happened.Cpu].Task : names.FirstTask(happened.Cpu));

    private static bool IsForwarded(TraceEvent happened, IReadOnlyList<CoreView> before) =>
        before.Count > 0
        && before[happened.Cpu]
            .Waiting.Any(store =>
                store.Answers < 0 && store.Address == happened.Address && store.Width == happened.Width
            );

    private bool IsSyscall(TraceEvent happened) =>
        happened.Task >= 0
        && happened.KernelLine == 0
        && verdict.Test.Threads[happened.Task].Instructions[happened.Source]
            is { Command: not null }
                or { SystemCall.Count: > 0 };
}
