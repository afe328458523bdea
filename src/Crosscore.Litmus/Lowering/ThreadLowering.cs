using Crosscore.Litmus.Syntax;
using Crosscore.Model.Kernel.Language;
using Crosscore.Model.Programs;

namespace Crosscore.Litmus.Lowering;

/// <summary>
/// A column being lowered, whatever its architecture: operations, registers and temporaries. What an instruction means
/// is for those who inherit.
/// </summary>
internal abstract class ThreadLowering : ICodeSink
{
    private readonly OpContext _context;
    private readonly Stack<int> _freeRegisters = [];
    private readonly Dictionary<TestRegister, int> _registers = [];
    private readonly List<ulong> _initialValues = [];
    private readonly List<int> _temporaries = [];
    private int _flags = -1;

    protected ThreadLowering(LitmusTest test, LitmusThread thread, MemoryLayout layout, KernelLowering? kernel)
    {
        Test = test;
        Thread = thread;
        Layout = layout;
        Kernel = kernel;

        // A kernel thread is always inside of the kernel.
        _context =
            kernel is not null && test.System.Threads[thread.Id].AddressSpace is null
                ? OpContext.Kernel
                : OpContext.User;
        kernel?.EmitStart(thread.Id, this);
    }

    protected LitmusTest Test { get; }

    protected LitmusThread Thread { get; }

    protected MemoryLayout Layout { get; }

    protected KernelLowering? Kernel { get; }

    protected List<MicroOp> Ops { get; } = [];

    /// <summary>Gets the instruction that operations are emitted for, as traces tell it; -1 for none.</summary>
    protected int Source { get; set; } = -1;

    /// <summary>Gets how many temporaries hold what is still needed; setting it back gives the later ones
    /// away.</summary>
    protected int UsedTemporaries { get; set; }

    protected Operand Flags
    {
        get
        {
            _flags = _flags < 0 ? NewRegister(0) : _flags;
            return Operand.Of(_flags);
        }
    }

    /// <summary>Gets what the column has of restartable sections.</summary>
    protected virtual IReadOnlyList<RestartableSection> Sections => [];

    /// <summary>Gets the model's register for one of the processor's.</summary>
    public int ModelRegister(TestRegister register)
    {
        if (!_registers.TryGetValue(register, out int number))
        {
            number = NewRegister(
                Thread.InitialRegisters.TryGetValue(register, out InitialValue value)
                    ? Layout.Resolve(value, MemoryLayout.ModelBase)
                    : 0
            );
            _registers.Add(register, number);
        }

        return number;
    }

    /// <summary>Gets the column as code of the model; call it after the last <see cref="ModelRegister"/>.</summary>
    public ThreadCode Build() =>
        new()
        {
            Ops = Ops,
            InitialRegisters = _initialValues,
            Sections = Sections,
        };

    int ICodeSink.Task => Thread.Id;

    int ICodeSink.Position => Ops.Count;

    int ICodeSink.NewRegister() => _freeRegisters.TryPop(out int register) ? register : NewRegister(0);

    void ICodeSink.ReleaseRegister(int register) => _freeRegisters.Push(register);

    int ICodeSink.CpuRegister(string name, IReadOnlyList<ulong> initialValues) =>
        throw new InvalidOperationException("Crosscore bug: a register of the CPU in the code of a task.");

    void ICodeSink.Emit(MicroOp op) => Ops.Add(op with { Source = Source });

    void ICodeSink.Patch(int index, MicroOp op) => Ops[index] = op with { Source = Source };

    /// <summary>
    /// Begins another instruction: the operations that follow belong to it, and it has all temporaries to itself.
    /// </summary>
    protected void BeginInstruction(int source)
    {
        Source = source;
        UsedTemporaries = 0;
    }

    protected void Emit(MicroOp op) => Ops.Add(op with { Source = Source, Context = _context });

    protected Operand Compute(ValueFunction function, Operand a, Operand b, Operand pick = default)
    {
        int result = Temporary();
        Emit(MicroOp.Compute(result, function, a, b) with { Pick = pick });
        return Operand.Of(result);
    }

    protected int NewRegister(ulong initial)
    {
        _initialValues.Add(initial);
        return _initialValues.Count - 1;
    }

    protected int Temporary()
    {
        if (UsedTemporaries == _temporaries.Count)
        {
            _temporaries.Add(NewRegister(0));
        }

        return _temporaries[UsedTemporaries++];
    }
}
