using Crosscore.Model.Kernel;
using Crosscore.Model.Kernel.Language;
using Crosscore.Model.Programs;

namespace Crosscore.Litmus.Tests.Kernel;

/// <summary>
/// Collects code and runs it, one operation after the other, on memory without buffers: enough to see that what was
/// compiled is what was written. What only a machine with several CPUs could do is written down instead.
/// </summary>
internal sealed class SequentialCpu(KernelCompiler compiler, int task = -1) : ICodeSink
{
    private readonly Stack<int> _free = [];
    private readonly Dictionary<string, int> _cpuRegisters = [];
    private readonly HashSet<int> _lent = [];
    private readonly List<ulong> _registers = [];

    public List<MicroOp> Ops { get; } = [];

    public Dictionary<ulong, ulong> Memory { get; } =
        compiler
            .Memory.SelectMany(region =>
                region.InitialValues.Select((value, index) => (Address: region.Address + ((ulong)index * 8), value))
            )
            .ToDictionary(cell => cell.Address, cell => cell.value);

    public int Cpu { get; init; }

    public ulong Current { get; set; } = 1;

    /// <summary>What happened that is neither a computation nor an access.</summary>
    public List<string> Events { get; } = [];

    public int LentRegisters => _lent.Count;

    public int Task => task;

    public int Position => Ops.Count;

    public int NewRegister()
    {
        if (!_free.TryPop(out int register))
        {
            register = _registers.Count;
            _registers.Add(0xDEAD);
        }

        _lent.Add(register);
        return register;
    }

    public void ReleaseRegister(int number)
    {
        Assert.True(_lent.Remove(number), $"register {number} was released without having been lent");
        _free.Push(number);
    }

    public int CpuRegister(string name, IReadOnlyList<ulong> initialValues)
    {
        if (!_cpuRegisters.TryGetValue(name, out int register))
        {
            register = _registers.Count;
            _registers.Add(initialValues[Cpu]);
            _cpuRegisters.Add(name, register);
        }

        return register;
    }

    public void Emit(MicroOp op) => Ops.Add(op);

    public void Patch(int index, MicroOp op) => Ops[index] = op;

    public ulong this[int register]
    {
        get => _registers[register];
        set => _registers[register] = value;
    }

    public ulong ValueOf(Operand operand) => operand.IsConstant ? operand.Constant : _registers[operand.Register];

    /// <summary>An element of a variable.</summary>
    public ulong Read(string variable, int element = 0) => Memory[AddressOf(variable, element)];

    public void Write(string variable, int element, ulong value) => Memory[AddressOf(variable, element)] = value;

    public void Run()
    {
        int steps = 0;
        for (int at = 0; at < Ops.Count; )
        {
            Assert.True(++steps < 10_000, "the code does not end");
            at = Step(Ops[at], at);
        }
    }

    private ulong AddressOf(string variable, int element) =>
        compiler.Memory.Single(region => region.Name == variable).Address + ((ulong)element * 8);

    private int Step(MicroOp op, int at)
    {
        switch (op.Kind)
        {
            case MicroOpKind.Compute:
                _registers[op.Destination] = op.Function!(ValueOf(op.A), ValueOf(op.B));
                break;
            case MicroOpKind.Branch when ValueOf(op.A) != 0:
            case MicroOpKind.Jump:
                Assert.InRange(op.Target, 0, Ops.Count);
                return op.Target;
            case MicroOpKind.Branch or MicroOpKind.AtomicBegin or MicroOpKind.AtomicEnd:
                break;
            case MicroOpKind.Load:
                _registers[op.Destination] = Memory[ValueOf(op.A)];
                break;
            case MicroOpKind.Store:
                Assert.Contains(ValueOf(op.A), Memory.Keys);
                Memory[ValueOf(op.A)] = ValueOf(op.B);
                break;
            case MicroOpKind.ReadCpu:
                _registers[op.Destination] = (ulong)Cpu;
                break;
            case MicroOpKind.ReadCurrent:
                _registers[op.Destination] = Current;
                break;
            case MicroOpKind.SendIpi:
                Events.Add($"SendIpi {ValueOf(op.A):b} {compiler.Handlers[op.Target]}");
                break;
            case MicroOpKind.SwitchTo:
                Current = ValueOf(op.A);
                Events.Add($"SwitchTo {Current}");
                break;
            default:
                Events.Add(op.Kind.ToString());
                break;
        }

        return at + 1;
    }
}
