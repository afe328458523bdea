using Crosscore.Model.Kernel.Checking;
using Crosscore.Model.Kernel.Language;
using Crosscore.Model.Programs;

namespace Crosscore.Model.Kernel.Emission;

/// <summary>A place in the code that is jumped to before it is known.</summary>
internal sealed class Joint
{
    public List<(int Index, MicroOp Op)> Jumps { get; } = [];

    /// <summary>The context of those that jump here; the checker made sure that it is the same for all.</summary>
    public CodeContext Context { get; set; }
}

/// <summary>
/// Writes operations with the context and the source line that they stand in, resolves jumps, and lends registers. Code
/// that nothing reaches is not written: what an option rules out costs nothing.
/// </summary>
internal sealed class CodeWriter(ICodeSink sink, CodeContext context)
{
    private readonly List<int> _temporaries = [];
    private bool _reachable = true;

    // A jump is written when it turns out that something stands between it and its target.
    private (Joint Target, MicroOp Op)? _pending;

    /// <summary>Whether interrupts and preemption are off where the next operation stands.</summary>
    public CodeContext Context { get; set; } = context;

    /// <summary>The source line that the code comes from; an index into the table of lines.</summary>
    public int Line { get; set; }

    public ICodeSink Sink => sink;

    /// <summary>How many temporaries are lent now; the argument of <see cref="ReleaseTo"/>.</summary>
    public int Mark => _temporaries.Count;

    public void Emit(MicroOp op, OpContext extra = 0)
    {
        if (_reachable)
        {
            sink.Emit(Place(op, extra));
        }
    }

    public void Emit(MicroOpKind kind) => Emit(MicroOp.Plain(kind));

    /// <summary>A register until <see cref="ReleaseTo"/>.</summary>
    public int Temporary()
    {
        int register = sink.NewRegister();
        _temporaries.Add(register);
        return register;
    }

    /// <summary>Gives back the temporaries that were lent since.</summary>
    public void ReleaseTo(int mark)
    {
        for (int index = mark; index < _temporaries.Count; index++)
        {
            sink.ReleaseRegister(_temporaries[index]);
        }

        _temporaries.RemoveRange(mark, _temporaries.Count - mark);
    }

    /// <summary>
    /// Makes a temporary lent since the mark the caller's own, who must release it. False when the value is none.
    /// </summary>
    public bool TryKeep(Operand value, int mark)
    {
        int index = value.IsConstant ? -1 : _temporaries.IndexOf(value.Register);
        if (index < mark)
        {
            return false;
        }

        _temporaries.RemoveAt(index);
        return true;
    }

    public Operand Compute(ValueFunction function, Operand a, Operand b)
    {
        // What is known now need not be computed later; functions are pure.
        if (a.IsConstant && b.IsConstant)
        {
            return Operand.Number(function(a.Constant, b.Constant));
        }

        int result = Temporary();
        Emit(MicroOp.Compute(result, function, a, b));
        return Operand.Of(result);
    }

    public void Jump(Joint target)
    {
        if (_reachable)
        {
            _pending = (target, Place(MicroOp.Jump(-1), 0));
            target.Context = Context;
            _reachable = false;
        }
    }

    /// <summary>Jumps when a value is not zero.</summary>
    public void Branch(Operand condition, Joint target)
    {
        if (condition.IsConstant)
        {
            if (condition.Constant != 0)
            {
                Jump(target);
            }
        }
        else if (_reachable)
        {
            EmitJump(Place(MicroOp.Branch(condition, -1), 0), target);
            target.Context = Context;
        }
    }

    /// <summary>Jumps to what is written already.</summary>
    public void JumpBack(int position)
    {
        Emit(MicroOp.Jump(position));
        _reachable = false;
    }

    /// <summary>The jumps to this joint come here.</summary>
    public void Bind(Joint joint)
    {
        bool comesNext = _pending?.Target == joint;
        if (!comesNext && joint.Jumps.Count == 0)
        {
            return;
        }

        if (!comesNext && _pending is { } pending)
        {
            EmitJump(pending.Op, pending.Target);
        }

        _pending = null;
        foreach ((int index, MicroOp op) in joint.Jumps)
        {
            sink.Patch(index, op with { Target = sink.Position });
        }

        Context = _reachable ? Context : joint.Context;
        _reachable = true;
    }

    private void EmitJump(MicroOp op, Joint target)
    {
        target.Jumps.Add((sink.Position, op));
        sink.Emit(op);
    }

    // With interrupts off nothing can preempt either.
    private MicroOp Place(MicroOp op, OpContext extra) =>
        op with
        {
            Context =
                OpContext.Kernel
                | extra
                | (Context.InterruptsOff ? OpContext.InterruptsOff | OpContext.PreemptionOff : 0)
                | (Context.PreemptionOff > 0 ? OpContext.PreemptionOff : 0),
            KernelLine = Line,
        };
}
