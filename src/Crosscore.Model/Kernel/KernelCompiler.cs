using Crosscore.Model.Kernel.Checking;
using Crosscore.Model.Kernel.Emission;
using Crosscore.Model.Kernel.Language;
using Crosscore.Model.Kernel.Syntax;
using Crosscore.Model.Programs;

namespace Crosscore.Model.Kernel;

/// <summary>
/// Compiles a design for a number of CPUs, tasks and address spaces: its variables to memory, its routines to
/// micro-operations, written where they are needed. Functions are inlined and loops over CPUs unrolled.
/// </summary>
internal sealed class KernelCompiler
{
    private readonly KernelDesign _design;
    private readonly EmissionInput _input;

    /// <summary>Lays out the variables.</summary>
    public KernelCompiler(KernelDesign design, KernelConfiguration configuration)
    {
        ArgumentNullException.ThrowIfNull(design);
        ArgumentNullException.ThrowIfNull(configuration);
        _design = design;
        var layout = new VariableLayout(design.Merged, configuration);
        _input = new EmissionInput(design.Merged, configuration, layout, design.RemovedLabels, design.IndexOf);
        Handlers = [.. design.Merged.Handlers.Select(handler => handler.Name)];
    }

    /// <summary>
    /// The variables, with what they hold at the start. Addresses from 0x6C00_0000_0000 up; elements of 8 bytes.
    /// </summary>
    public IReadOnlyList<MemoryRegion> Memory => _input.Layout.Memory;

    /// <summary>
    /// The names of the interrupts, in the order of the numbers that <see cref="MicroOpKind.SendIpi"/> has in its
    /// target.
    /// </summary>
    public IReadOnlyList<string> Handlers { get; }

    /// <summary>Whether the design says what the hook does; where it does not, the code of it is empty.</summary>
    public bool HasSyscallReturn => Find(RoutineKind.SyscallReturn) is not null;

    /// <inheritdoc cref="HasSyscallReturn"/>
    public bool HasInterruptReturn => Find(RoutineKind.InterruptReturn) is not null;

    /// <summary>
    /// Writes a system call into the code of a task, from where it enters the kernel to before
    /// <see cref="EmitSyscallReturn"/>.
    /// </summary>
    /// <param name="name">Its name.</param>
    /// <param name="arguments">Its arguments: a CPU by its number, a task or an address space by its number plus
    /// one.</param>
    /// <param name="sink">Where to.</param>
    /// <returns>What the call returns, 0 or an error's number negated: a constant, or a register that the caller must
    /// release.</returns>
    /// <exception cref="ArgumentException">The design has no such call, or it takes other arguments.</exception>
    public Operand EmitSyscall(string name, IReadOnlyList<ulong> arguments, ICodeSink sink)
    {
        ArgumentNullException.ThrowIfNull(arguments);
        ArgumentNullException.ThrowIfNull(sink);
        if (_design.Merged.FindRoutine(name) is not { Kind: RoutineKind.Syscall } routine)
        {
            throw new ArgumentException(
                $"{_design.Name} has no system call "
                    + $"'{name}'{Suggestion.For(name, _design.Syscalls.Select(call => call.Name))}."
            );
        }

        if (arguments.Count != routine.Parameters.Count)
        {
            throw new ArgumentException(
                $"The system call '{name}' of {_design.Name} takes "
                    + $"{routine.Parameters.Count} arguments, not {arguments.Count}."
            );
        }

        return Emit(routine, [.. arguments.Select(Operand.Number)], sink);
    }

    /// <summary>Writes an interrupt, without what the machine does at its entry and return.</summary>
    /// <param name="handler">Its number.</param>
    /// <param name="sink">Where to.</param>
    public void EmitHandler(int handler, ICodeSink sink) => Emit(_design.Merged.Handlers.ElementAt(handler), [], sink);

    /// <summary>Writes the context switch; it contains one <see cref="MicroOpKind.SwitchTo"/>.</summary>
    /// <param name="sink">Where to.</param>
    /// <param name="prevRegister">The register that holds the task that ran, as its number plus one, or 0.</param>
    /// <param name="nextRegister">The register that holds the task that runs next, as its number plus one, or
    /// 0.</param>
    public void EmitSwitch(ICodeSink sink, int prevRegister, int nextRegister)
    {
        RoutineDeclaration routine = Find(RoutineKind.Switch) ?? DefaultRoutines.Switch;
        Emit(routine, [Operand.Of(prevRegister), Operand.Of(nextRegister)], sink);
    }

    /// <summary>
    /// Writes what is done in the kernel before a system call goes back to user mode; interrupts are off.
    /// </summary>
    public void EmitSyscallReturn(ICodeSink sink) => EmitHook(RoutineKind.SyscallReturn, sink);

    /// <summary>
    /// Writes what is done in the kernel before an interrupt goes back to user mode; interrupts are off.
    /// </summary>
    public void EmitInterruptReturn(ICodeSink sink) => EmitHook(RoutineKind.InterruptReturn, sink);

    /// <summary>Writes what a task does when it exits, short of never running again.</summary>
    public void EmitExit(ICodeSink sink) => EmitHook(RoutineKind.Exit, sink);

    private RoutineDeclaration? Find(RoutineKind kind) => _design.Merged.FindRoutine(kind);

    private void EmitHook(RoutineKind kind, ICodeSink sink)
    {
        if (Find(kind) is { } routine)
        {
            Emit(routine, [], sink);
        }
    }

    private Operand Emit(RoutineDeclaration routine, IReadOnlyList<Operand> arguments, ICodeSink sink)
    {
        var emitter = new RoutineEmitter(_input, sink, routine.Kind);
        emitter.At(routine.Position);
        Operand result = emitter.Inline(routine, arguments);
        if (
            routine.Kind == RoutineKind.Switch
            && !TreeWalk.Calls(routine.Body).Any(call => call.Name == DefaultRoutines.SwitchTo)
        )
        {
            emitter.Writer.Emit(MicroOp.SwitchTo(arguments[1]));
        }

        if (routine.Result != KernelType.Void && !result.IsConstant)
        {
            emitter.Writer.TryKeep(result, 0);
        }

        emitter.Writer.ReleaseTo(0);
        return result;
    }
}
