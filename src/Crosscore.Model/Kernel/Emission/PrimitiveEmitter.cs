using Crosscore.Model.Kernel.Language;
using Crosscore.Model.Kernel.Syntax;
using Crosscore.Model.Programs;

namespace Crosscore.Model.Kernel.Emission;

/// <summary>
/// Writes primitives. A core that keeps loads and stores in order passes over what an acquire load or a release store
/// asks; a weaker one tells them from READ_ONCE and WRITE_ONCE.
/// </summary>
internal sealed class PrimitiveEmitter(EmissionInput input, RoutineEmitter routine, ExpressionEmitter expressions)
{
    private CodeWriter Writer => routine.Writer;

    public Value Emit(CallExpression call, Primitive primitive)
    {
        switch (primitive)
        {
            case Primitive.ReadOnce:
                return expressions.Value(call.Arguments[0]);
            case Primitive.LoadAcquire:
                Operand source = default;
                VariableDeclaration read = expressions.TryAddress(call.Arguments[0], ref source)!;
                return new Value(expressions.Load(read, source, AccessOrder.Acquire), read.Type);
            case Primitive.WriteOnce or Primitive.StoreRelease:
                Operand address = default;
                VariableDeclaration place = expressions.TryAddress(call.Arguments[0], ref address)!;
                expressions.Store(
                    place,
                    address,
                    expressions.Value(call.Arguments[1]).Operand,
                    primitive == Primitive.StoreRelease ? AccessOrder.Release : AccessOrder.Plain
                );
                break;
            case Primitive.Lock:
                EmitLock(call);
                break;
            case Primitive.Unlock:
                Operand held = default;
                VariableDeclaration taken = expressions.TryAddress(call.Arguments[0], ref held)!;
                expressions.Store(taken, held, Operand.Number(0), AccessOrder.Release);
                break;
            case Primitive.AtomicIncrement:
                EmitAtomic(call, static (old, _) => old + 1);
                break;
            case Primitive.AtomicDecrement:
                EmitAtomic(call, static (old, _) => old - 1);
                break;
            case Primitive.AtomicOr:
                EmitAtomic(call, static (old, mask) => old | mask);
                break;
            case Primitive.AtomicAndNot:
                EmitAtomic(call, static (old, mask) => old & ~mask);
                break;
            case Primitive.CompareExchange:
                return EmitCompareExchange(call);
            default:
                EmitControl(call, primitive);
                break;
        }

        return default;
    }

    // What changes who runs, and when: interrupts, switches, sections without either, and fences.
    private void EmitControl(CallExpression call, Primitive primitive)
    {
        switch (primitive)
        {
            case Primitive.IpiAndWait:
                EmitSend(call);
                Writer.Emit(MicroOpKind.AwaitIpi);
                break;
            case Primitive.IpiSend:
                EmitSend(call);
                break;
            case Primitive.Schedule:
                EmitReschedulePoint();
                break;
            case Primitive.DemandFences:
                Writer.Emit(MicroOpKind.RequestFences);
                Writer.Emit(MicroOpKind.AwaitFences);
                break;
            case Primitive.SwitchTo:
                Writer.Emit(MicroOp.SwitchTo(expressions.Value(call.Arguments[0]).Operand));
                break;
            case Primitive.IrqDisable or Primitive.IrqEnable:
                Writer.Context = Writer.Context with { InterruptsOff = primitive == Primitive.IrqDisable };
                break;
            case Primitive.PreemptDisable or Primitive.PreemptEnable:
                Writer.Context = Writer.Context with
                {
                    PreemptionOff = Writer.Context.PreemptionOff + (primitive == Primitive.PreemptDisable ? 1 : -1),
                };
                if (
                    primitive == Primitive.PreemptEnable
                    && Writer.Context is { PreemptionOff: 0, InterruptsOff: false }
                    && input.Design.Options["preemptible"].Value == "true"
                )
                {
                    // Such a kernel asks here whether another task should run; a task that is switched out here resumes
                    // without returning from an interrupt.
                    EmitReschedulePoint();
                }

                break;
            default:
                Writer.Emit(Plain(primitive));
                break;
        }
    }

    private static MicroOpKind Plain(Primitive primitive) =>
        primitive switch
        {
            Primitive.Barrier => MicroOpKind.Fence,
            Primitive.SyncCore => MicroOpKind.Serialize,
            Primitive.IpiWait => MicroOpKind.AwaitIpi,
            Primitive.Sleep => MicroOpKind.Sleep,
            Primitive.RestartSequence => MicroOpKind.MarkRestart,
            _ => throw new InvalidOperationException($"{primitive} is not one operation."),
        };

    // The place is all: the operation itself does nothing.
    private void EmitReschedulePoint() =>
        Writer.Emit(MicroOp.Jump(Writer.Sink.Position + 1), OpContext.ReschedulePoint);

    private void EmitSend(CallExpression call)
    {
        Operand cpus = expressions.Value(call.Arguments[0]).Operand;
        string handler = ((NameExpression)call.Arguments[1]).Name;
        int number = input.Design.Handlers.TakeWhile(other => other.Name != handler).Count();
        Writer.Emit(MicroOp.SendIpi(cpus, number));
    }

    // An exchange, again and again, until it brings a 0. It is an acquire load and orders nothing before it, as Linux
    // has it; on x86 it is a full barrier nevertheless. Pairs with the release store of unlock(). Test:
    // Designs/WeakAblationTests.A_lock_is_an_acquire_and_its_release_a_release.
    private void EmitLock(CallExpression call)
    {
        Operand address = default;
        VariableDeclaration place = expressions.TryAddress(call.Arguments[0], ref address)!;
        int start = Writer.Sink.Position;
        Writer.Emit(MicroOpKind.AtomicBegin);
        Operand old = expressions.Load(place, address, AccessOrder.Acquire);
        expressions.Store(place, address, Operand.Number(1));
        Writer.Emit(MicroOpKind.AtomicEnd);
        Writer.Emit(MicroOp.Branch(old, start));
    }

    private void EmitAtomic(CallExpression call, ValueFunction function)
    {
        Operand address = default;
        VariableDeclaration place = expressions.TryAddress(call.Arguments[0], ref address)!;
        Operand argument = call.Arguments.Count > 1 ? expressions.Value(call.Arguments[1]).Operand : Operand.Number(0);
        Writer.Emit(MicroOpKind.AtomicBegin);
        Operand old = expressions.Load(place, address);
        expressions.Store(place, address, Writer.Compute(function, old, argument));
        Writer.Emit(MicroOpKind.AtomicEnd);
    }

    // Without a branch inside the indivisible step: it stores the old value plus the difference to the new one, or plus
    // nothing.
    private Value EmitCompareExchange(CallExpression call)
    {
        Operand address = default;
        VariableDeclaration place = expressions.TryAddress(call.Arguments[0], ref address)!;
        Operand expected = expressions.Value(call.Arguments[1]).Operand;
        Operand replacement = expressions.Value(call.Arguments[2]).Operand;
        Operand difference = Writer.Compute(static (to, from) => to - from, replacement, expected);
        Writer.Emit(MicroOpKind.AtomicBegin);
        Operand old = expressions.Load(place, address);
        Operand equal = Writer.Compute(static (a, b) => a == b ? 1UL : 0, old, expected);
        Operand step = Writer.Compute(static (yes, by) => yes * by, equal, difference);
        expressions.Store(place, address, Writer.Compute(static (a, b) => a + b, old, step));
        Writer.Emit(MicroOpKind.AtomicEnd);
        return new Value(old, place.Type);
    }
}
