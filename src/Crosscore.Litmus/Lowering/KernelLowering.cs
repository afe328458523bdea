using Crosscore.Litmus.Syntax;
using Crosscore.Model.Cores;
using Crosscore.Model.Kernel;
using Crosscore.Model.Kernel.Language;
using Crosscore.Model.Programs;

namespace Crosscore.Litmus.Lowering;

/// <summary>
/// Puts a test on a kernel design: its threads become tasks, idle tasks are added, its system calls become the design's
/// code inside of theirs, and each CPU gets the design's handlers, context switch and return from interrupts.
/// </summary>
internal sealed class KernelLowering
{
    private readonly LitmusTest _test;
    private readonly KernelDesign _design;
    private readonly CoreRules _rules;
    private readonly KernelCompiler _compiler;
    private readonly List<TaskPlacement> _tasks = [];
    private readonly TestSystem _system;

    public KernelLowering(LitmusTest test, KernelDesign design, CoreRules rules)
    {
        _rules = rules;
        _test = test;
        _design = design;
        TestSystem system = _system = test.System;
        IReadOnlyList<string> spaces = system.AddressSpaces;
        var tasks = new List<KernelTask>();
        foreach (ThreadPlacement thread in system.Threads)
        {
            int space = thread.AddressSpace is null ? -1 : spaces.ToList().IndexOf(thread.AddressSpace);
            tasks.Add(
                new KernelTask(
                    space,
                    thread.Start == TaskStart.Running ? thread.Cpu : -1,
                    Held(test.Threads[tasks.Count], spaces)
                )
            );
            _tasks.Add(
                new TaskPlacement(
                    thread.Cpu,
                    thread.Start,
                    thread.Pinned,
                    thread.AddressSpace is null,
                    IsIdle: false,
                    thread.TakesSignals
                )
            );
        }

        foreach (int cpu in system.IdleCpus)
        {
            // On a CPU that is offline nothing else ever runs, and the kernel does not know of it.
            bool busy = system.Threads.Any(thread => thread.Cpu == cpu && thread.Start == TaskStart.Running);
            tasks.Add(new KernelTask(-1, busy || !system.IsOnline(cpu) ? -1 : cpu));
            _tasks.Add(
                new TaskPlacement(
                    cpu,
                    busy ? TaskStart.Runnable : TaskStart.Running,
                    Pinned: true,
                    IsKernelThread: true,
                    IsIdle: true
                )
            );
        }

        _compiler = new KernelCompiler(
            design,
            new KernelConfiguration(system.Cpus, ((1UL << system.Cpus) - 1) & ~(ulong)system.Offline, tasks)
        );
    }

    // A kernel thread that will borrow an address space counts among its users from the start; nothing else keeps it
    // there.
    private static int Held(LitmusThread thread, IReadOnlyList<string> spaces) =>
        thread
            .Instructions.SelectMany(instruction => instruction.SystemCall.Skip(1))
            .Select(word => spaces.ToList().IndexOf(word))
            .DefaultIfEmpty(-1)
            .Max();

    /// <summary>Gets the variables of the design.</summary>
    public IReadOnlyList<MemoryRegion> Memory => _compiler.Memory;

    /// <summary>Gets the code of the tasks that the test does not write: idle ones, which have nothing to do.</summary>
    public IEnumerable<ThreadCode> OtherTasks =>
        Enumerable
            .Range(0, _tasks.Count - _test.Threads.Count)
            .Select(_ => new ThreadCode { Ops = [], InitialRegisters = [] });

    /// <summary>Gets the name of the system call that a membarrier command is in a design.</summary>
    public static string MembarrierCall(MembarrierCommand command) =>
        command switch
        {
            MembarrierCommand.Global => "membarrier_global",
            MembarrierCommand.GlobalExpedited => "membarrier_global_expedited",
            MembarrierCommand.PrivateExpedited => "membarrier_private_expedited",
            MembarrierCommand.PrivateExpeditedSyncCore => "membarrier_private_expedited_sync_core",
            _ => "membarrier_private_expedited_rseq",
        };

    /// <summary>Gets the system calls that a test makes of a design, by the names that the design gives them.</summary>
    public static IEnumerable<(ITestInstruction Instruction, string Name)> Calls(LitmusTest test) =>
        from thread in test.Threads
        from instruction in thread.Instructions
        let name = Words(instruction).FirstOrDefault("exit")
        where name != "exit"
        select (instruction, name);

    /// <summary>
    /// Emits what a thread does before its column: one that sleeps in a system call has yet to return from it.
    /// </summary>
    public void EmitStart(int thread, ICodeSink sink)
    {
        if (_system.Threads[thread].Start == TaskStart.Asleep)
        {
            EmitReturn(sink);
        }
    }

    /// <summary>Emits a system call.</summary>
    public void EmitSyscall(ITestInstruction instruction, ICodeSink sink)
    {
        IReadOnlyList<string> words = Words(instruction);
        string name = words[0];
        if (_system.Threads[sink.Task].AddressSpace is not null)
        {
            // The task stands before the call, in user mode still: what comes between instructions comes here too.
            // Test: Designs/CallEntryTests.
            sink.Emit(MicroOp.Jump(sink.Position + 1));
        }

        Synchronize(sink);
        if (name == "exit")
        {
            _compiler.EmitExit(sink);
            sink.Emit(MicroOp.Plain(MicroOpKind.Halt) with { Context = OpContext.Kernel });
            return;
        }

        KernelSyscall call =
            _design.Syscalls.FirstOrDefault(known => known.Name == name)
            ?? throw Error(
                instruction,
                $"found {instruction}, but the design {_design.Name} has no system call {name}; "
                    + $"it has {string.Join(", ", _design.Syscalls.Select(known => known.Name))}"
            );
        if (call.Parameters.Count != words.Count - 1)
        {
            throw Error(
                instruction,
                $"found {Plural.Of(words.Count - 1, "argument")} of {name}, expected {call.Parameters.Count}"
            );
        }

        Operand result = _compiler.EmitSyscall(
            name,
            [.. call.Parameters.Select((type, index) => Argument(instruction, type, words[index + 1]))],
            sink
        );
        if (!result.IsConstant)
        {
            // A test's column has no register for what a call answers.
            sink.ReleaseRegister(result.Register);
        }

        EmitReturn(sink);
    }

    /// <summary>Gets the CPUs with the design's code on them.</summary>
    public CpuSystem Build()
    {
        TestSystem system = _system;
        var sink = new CpuCodeSink(system.Cpus);
        int previous = sink.NewRegister();
        int next = sink.NewRegister();
        var handlers = new List<int>();
        for (int handler = 0; handler < _compiler.Handlers.Count; handler++)
        {
            handlers.Add(sink.Position);
            _compiler.EmitHandler(handler, sink);
            sink.Emit(MicroOp.Plain(MicroOpKind.EndInterrupt));
        }

        int switchEntry = sink.Position;
        if (_system.Schedules)
        {
            _compiler.EmitSwitch(sink, previous, next);
        }

        sink.Emit(MicroOp.Plain(MicroOpKind.EndSwitch));
        int returnEntry = sink.Position;
        _compiler.EmitInterruptReturn(sink);
        sink.Emit(MicroOp.Plain(MicroOpKind.ReturnFromInterrupt));
        return new CpuSystem
        {
            Cpus = _system.Cpus,
            Tasks = _tasks,
            CpuCode = [.. Enumerable.Range(0, _system.Cpus).Select(sink.CodeOf)],
            HandlerEntries = handlers,
            SwitchEntry = switchEntry,
            ReturnEntry = returnEntry,
            ReturnToKernelEntry = sink.Position - 1,
            PreviousRegister = previous,
            NextRegister = next,
            PersistentRegisters = sink.Persistent,
            Schedules = _system.Schedules,
            Preemptible = _design.Flag("preemptible"),
            InterruptEntrySerializes = _rules.IsWeaklyOrdered
                ? _rules.ExceptionsSynchronize
                : _design.Flag("interrupt_entry_serializes"),
            InterruptReturnSerializes = _rules.IsWeaklyOrdered
                ? _rules.ExceptionsSynchronize
                : _design.Flag("interrupt_return_serializes"),
            UserReturnSerializes = !_rules.IsWeaklyOrdered && _design.Flag("pti"),
            SwitchOrders = _rules.SwitchOrders,
            Offline = system.Offline,
            IpiOrder = _design.Options["ipi_order"].Value switch
            {
                "none" => IpiOrder.None,
                "full" => IpiOrder.Full,
                _ => IpiOrder.ReleaseAcquire,
            },
        };
    }

    // The way out of a system call asks whether another task should run, does what the design does, and, where that
    // serializes, serializes.
    private void EmitReturn(ICodeSink sink)
    {
        sink.Emit(MicroOp.Jump(sink.Position + 1) with { Context = OpContext.Kernel | OpContext.ReschedulePoint });
        _compiler.EmitSyscallReturn(sink);
        if (_rules.IsWeaklyOrdered)
        {
            Synchronize(sink);
        }
        else if (_design.Flag("syscall_return_serializes") || _design.Flag("pti"))
        {
            sink.Emit(
                MicroOp.Plain(MicroOpKind.Serialize) with
                {
                    Context = OpContext.Kernel | OpContext.InterruptsOff,
                }
            );
        }
    }

    private void Synchronize(ICodeSink sink)
    {
        if (_rules.ExceptionsSynchronize)
        {
            sink.Emit(
                MicroOp.Plain(MicroOpKind.Fence) with
                {
                    Fence = FenceKind.Context,
                    Context = OpContext.Kernel | OpContext.InterruptsOff,
                }
            );
        }
    }

    private static IReadOnlyList<string> Words(ITestInstruction instruction) =>
        instruction.Command is MembarrierCommand command ? [MembarrierCall(command)] : instruction.SystemCall;

    private LitmusException Error(ITestInstruction instruction, string problem) =>
        new(_test.File, instruction.Position, problem);

    private ulong Argument(ITestInstruction instruction, KernelType type, string word)
    {
        int number = type switch
        {
            KernelType.Mm => _system.AddressSpaces.ToList().IndexOf(word) is int space and >= 0 ? space + 1 : -1,
            KernelType.Task => word.StartsWith('P')
            && int.TryParse(word[1..], out int task)
            && task < _test.Threads.Count
                ? task + 1
                : -1,
            _ => int.TryParse(word, out int value) ? value : -1,
        };
        string expected = type switch
        {
            KernelType.Mm => $"an address space ({string.Join(", ", _system.AddressSpaces)})",
            KernelType.Task => "a thread such as P0",
            _ => "a number",
        };
        return number >= 0
            ? (ulong)number
            : throw Error(instruction, $"found the argument '{word}', expected {expected}");
    }

    /// <summary>Collects the code that every CPU has.</summary>
    private sealed class CpuCodeSink(int cpus) : ICodeSink
    {
        private readonly List<MicroOp> _ops = [];
        private readonly Stack<int> _free = [];
        private readonly Dictionary<string, int> _named = [];
        private readonly List<IReadOnlyList<ulong>> _initial = [];

        public int Task => -1;

        public int Position => _ops.Count;

        public HashSet<int> Persistent { get; } = [];

        public int NewRegister()
        {
            if (_free.TryPop(out int register))
            {
                return register;
            }

            _initial.Add(new ulong[cpus]);
            return _initial.Count - 1;
        }

        public void ReleaseRegister(int register) => _free.Push(register);

        public int CpuRegister(string name, IReadOnlyList<ulong> initialValues)
        {
            if (!_named.TryGetValue(name, out int register))
            {
                register = _initial.Count;
                _initial.Add(initialValues);
                _named.Add(name, register);
                Persistent.Add(register);
            }

            return register;
        }

        public void Emit(MicroOp op) => _ops.Add(op);

        public void Patch(int index, MicroOp op) => _ops[index] = op;

        public ThreadCode CodeOf(int cpu) =>
            new() { Ops = _ops, InitialRegisters = [.. _initial.Select(values => values[cpu])] };
    }
}
