using System.Runtime.CompilerServices;

namespace Crosscore.PerCpu.Advanced;

/// <summary>
/// A section that is ready to run on the slots of a <see cref="PerCpuArea"/>. Any thread may run it, any number at a
/// time. Made by <see cref="SectionBuilder.Build"/>.
/// </summary>
public sealed unsafe class PerCpuSection
{
    private readonly SectionProgram _program;
    private readonly SectionVariant _variant;
    private InstalledSection? _installed;
    private delegate* unmanaged[SuppressGCTransition]<nint, long, long, long, long, SectionResult> _code;

    internal PerCpuSection(SectionProgram program, SectionVariant variant)
    {
        _program = program;
        _variant = variant;
        if (RestartableSequences.IsAvailable)
        {
            Use(InstalledSections.Install(program, variant));
        }
    }

    internal InstalledSection? Installed => _installed;

    /// <summary>
    /// Runs the section on the slot of the CPU this thread runs on, and repeats it until it commits or leaves. While
    /// the slot is stopped, it waits.
    /// </summary>
    /// <param name="area">The slots: of the size for which the section was written.</param>
    /// <param name="argument0">Argument 0, if the section has it.</param>
    /// <param name="argument1">Argument 1, if the section has it.</param>
    /// <param name="argument2">Argument 2, if the section has it.</param>
    /// <param name="argument3">Argument 3, if the section has it.</param>
    /// <exception cref="ArgumentException">The area has slots of another size or index.</exception>
    /// <exception cref="InvalidOperationException">A computed offset was outside the slot; nothing was committed. Or
    /// this thread itself has stopped the slot.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public SectionResult Run(
        PerCpuArea area,
        long argument0 = 0,
        long argument1 = 0,
        long argument2 = 0,
        long argument3 = 0
    )
    {
        ArgumentNullException.ThrowIfNull(area);
        SectionResult result = SectionResult.Left(SectionExit.NoSlot);
        if (area.UsesSections && area.Slots.Shape == _program.Shape && _code != null)
        {
            result = Execute(area, argument0, argument1, argument2, argument3);
            if (result.Code >= 0)
            {
                return result;
            }
        }

        return Complete(area, result, argument0, argument1, argument2, argument3);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private SectionResult Execute(PerCpuArea area, long argument0, long argument1, long argument2, long argument3)
    {
        // SAFETY: the code was made for slots of this shape, and they live as long as the area. It takes these
        // registers and returns these two; it makes no call and is a few nanoseconds long, so the collector may wait
        // for it. What pointers among the arguments lead to is the caller's responsibility.
        SectionResult result = _code(area.Slots.Base, argument0, argument1, argument2, argument3);
        GC.KeepAlive(area);
        return result;
    }

    /// <summary>
    /// Does what remains when a section was left without a code of its author: the result says why, so the section is
    /// not executed again to learn it.
    /// </summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private SectionResult Complete(
        PerCpuArea area,
        SectionResult result,
        long argument0,
        long argument1,
        long argument2,
        long argument3
    )
    {
        if (area.Slots.Shape != _program.Shape)
        {
            throw OtherShape(area);
        }

        if (
            area.UsesSections
            && _code == null
            && InstalledSections.InstallIfPossible(_program, _variant) is { } installed
        )
        {
            // Built while sections could not run; the area was made later.
            Use(installed);
            result = Execute(area, argument0, argument1, argument2, argument3);
        }

        while (true)
        {
            switch (result.Code)
            {
                case SectionExit.NoSlot:
                    result = Interpret(area, [argument0, argument1, argument2, argument3]);
                    GC.KeepAlive(area);
                    if (result.Code == SectionExit.NoSlot)
                    {
                        throw new InvalidOperationException(
                            "Crosscore bug: the interpreter of sections found no slot."
                        );
                    }

                    break;
                case SectionExit.Stopped:
                    area.WaitWhileStopped();
                    result =
                        area.UsesSections && _code != null
                            ? Execute(area, argument0, argument1, argument2, argument3)
                            : SectionResult.Left(SectionExit.NoSlot);
                    break;
                case SectionExit.OutOfSlot:
                    throw new InvalidOperationException(
                        $"A computed offset lay outside the {_program.Shape.Bytes} bytes of the slot. Nothing was "
                            + "committed."
                    );
                default:
                    return result;
            }
        }
    }

    private ArgumentException OtherShape(PerCpuArea area) =>
        new(
            $"The section was written for slots of {_program.Shape.Bytes} bytes selected by {_program.Shape.Index}; "
                + $"this area has {area.Slots.Shape.Bytes} selected by {area.Slots.Shape.Index}. Build it with "
                + "the area's NewSection.",
            nameof(area)
        );

    private void Use(InstalledSection installed)
    {
        _installed = installed;
        _code = (delegate* unmanaged[SuppressGCTransition]<nint, long, long, long, long, SectionResult>)installed.Entry;
    }

    private SectionResult Interpret(PerCpuArea area, ReadOnlySpan<long> arguments)
    {
        int index = area.EnterWithoutSection();
        try
        {
            return Volatile.Read(ref area.Slots.StopWord(index)) != 0
                ? SectionResult.Left(SectionExit.Stopped)
                : SectionInterpreter.Run(_program, area.Slots.Slot(index), index, arguments);
        }
        finally
        {
            area.Slots.Unlock(index);
        }
    }
}
